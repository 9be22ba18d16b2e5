"""Score many prompts before many texts in few forward passes of a frozen model."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zobench.engine.groups import layers

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from zobench.objectives.llm.batches import Batch
    from zobench.objectives.llm.reach import TestResults

# Bytes of a layer's widest activations per forward pass. On a CPU, more would not fit into its
# cache; a GPU needs large passes.
PASS_BYTES = {"cpu": 1 << 20}
PASS_BYTES_ELSEWHERE = 1 << 30


class Passes:
    """A model that reads prompts in columns `begin` ... `ends` - 1, and texts after them."""

    def __init__(self, net: PreTrainedModel, begin: int, ends: int) -> None:
        self.net, self.begin, self.ends = net, begin, ends
        self.embedding: Any = net.get_input_embeddings()
        self.stack = layers(net)
        parameters = inspect.signature(type(net.base_model).forward).parameters
        self.takes_positions = "position_ids" in parameters
        # "past_key_values" in transformers < 5.24
        self.cache_name = "cache" if "cache" in parameters else "past_key_values"
        device = self.embedding.weight.device.type
        self.pass_bytes = PASS_BYTES.get(device, PASS_BYTES_ELSEWHERE)
        self._gaps: TestResults = {}  # what `gaps` found
        self._shares: TestResults = {}  # what `shares` found

    def scores(self, prompts: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return scores of the label words for each prompt: (n, rows, words), float64, on the CPU.

        prompts: (n, depth, tokens, width). A pass takes as many pairs of a prompt and a text as fit
        into `pass_bytes`; the longest texts come first, so that little of a pass is padding. If
        there may be no padding between prompt and text, only texts of one length share a pass.
        """
        import torch

        token = 4 * prompts.shape[3] * prompts.element_size()  # bytes in the feed-forward layer
        cache_bytes = max(1, self.ends * token * len(self.stack) // 2)  # keys, values of a prompt
        lengths = batch.mask[:, self.ends :].sum(1).cpu()
        texts = lengths.argsort(stable=True, descending=True)
        scores = []
        with torch.inference_mode():
            gaps = self.gaps(batch)
            shares = self.shares(batch)
            for prompt_part in prompts.split(max(1, self.pass_bytes // cache_bytes)):
                cache = self.before(prompt_part, batch) if shares else None
                rows = texts.repeat_interleave(len(prompt_part))
                owner = torch.arange(len(prompt_part)).repeat(len(texts))
                parts, start = [], 0
                while start < len(rows):
                    width = int(lengths[rows[start]])
                    pair_bytes = token * (width if shares else self.ends + width)
                    most = max(1, self.pass_bytes // pair_bytes)
                    if not gaps:
                        most = min(most, int((lengths[rows[start:]] == width).sum()))
                    part = slice(start, start + most)
                    parts.append(
                        self._part(prompt_part, cache, batch, rows[part], owner[part], width)
                    )
                    start = part.stop
                by_text = torch.cat(parts).view(len(texts), len(prompt_part), -1)
                scores.append(by_text[texts.argsort()].transpose(0, 1))
        return torch.cat(scores).double()

    def _part(
        self, prompts: torch.Tensor, cache: Any, batch: Batch, rows: torch.Tensor,
        owner: torch.Tensor, width: int,
    ) -> torch.Tensor:  # fmt: skip
        from zobench.objectives.llm.memory import explained

        few = take_rows(batch, rows, self.ends, width)
        own = owner.to(few.ids.device)
        with explained(self.net, few, 0):
            if cache is None:
                return self.full_scores(prompts, few, own).cpu()
            return self.after(cache, few, own).cpu()

    def full_scores(self, prompts: torch.Tensor, batch: Batch, owner: torch.Tensor) -> torch.Tensor:
        """Return scores (rows, words) of full sequences; owner: the prompt of each row."""
        from zobench.objectives.llm.loss import decide, label_scores
        from zobench.objectives.prompt._inject import injected

        decide(self.net, batch.words, batch.ids.shape[1])  # before prompts are injected
        with injected(self.embedding, self.stack, prompts, owner, self.begin):
            return label_scores(self.net, batch)

    def states(self, prompt: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the last hidden states of a batch's rows under one prompt (1, depth, k, width)."""
        from zobench.objectives.llm.forward import hidden
        from zobench.objectives.prompt._inject import injected

        owner = batch.labels.new_zeros(len(batch.labels))
        with injected(self.embedding, self.stack, prompt, owner, self.begin):
            return hidden(self.net, batch.ids, batch.mask, batch.positions)

    def before(self, prompts: torch.Tensor, batch: Batch) -> Any:
        """Return the keys and values of prompts, which do not depend on the texts after them."""
        import torch

        from zobench.objectives.prompt._inject import injected

        device, count = batch.ids.device, len(prompts)
        ids = batch.ids[:1, : self.ends].expand(count, -1)
        positions = torch.arange(self.ends, device=device).expand(count, -1)
        owner = torch.arange(count, device=device)
        with injected(self.embedding, self.stack, prompts, owner, self.begin):
            output = self._run(ids, torch.ones_like(ids), positions, None)
            return output.cache if "cache" in output else output.past_key_values

    def after(self, cache: Any, batch: Batch, owner: torch.Tensor) -> torch.Tensor:
        """Return the scores of `full_scores` by means of the keys and values from `before`."""
        from zobench.objectives.llm.loss import plain_head

        own = copy(cache)
        own.layers = [copy(layer) for layer in cache.layers]
        own.batch_select_indices(owner)
        ids, positions = batch.ids[:, self.ends :], batch.positions[:, self.ends :]
        last = self._run(ids, batch.mask, positions, own).last_hidden_state[:, -1]
        head = plain_head(self.net)
        assert head is not None  # `shares` tested it
        return last.float() @ head.weight[batch.words.ids[:, 0]].float().T

    def _run(
        self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any
    ) -> Any:
        inputs = {"input_ids": ids, "attention_mask": mask, self.cache_name: cache}
        if self.takes_positions:
            inputs["position_ids"] = positions
        return self.net.base_model(**inputs, use_cache=True)

    def by_length(self, batch: Batch) -> Iterator[Batch]:
        """Yield the batch, or one batch per length of text if `gaps` is False."""
        if self.gaps(batch):
            yield batch
            return
        lengths = batch.mask[:, self.ends :].sum(1).cpu()
        for width in lengths.unique().tolist():
            yield take_rows(batch, (lengths == width).nonzero()[:, 0], self.ends, width)

    def gaps(self, batch: Batch) -> bool:
        """True if there may be padding between a prompt and its text.

        It is False for a model with a window or a state. It is tested once per width, by comparison
        with a row without padding.
        """

        def same(few: Batch) -> bool:
            prompts, few, owner = self._example(few)
            short = take_rows(
                few, torch.tensor([1]), self.ends, int(few.mask[1, self.ends :].sum())
            )
            alone = self.full_scores(prompts, short, owner[1:])
            return near(self.full_scores(prompts, few, owner)[1:], alone, self.net.dtype)

        import torch

        from zobench.objectives.llm.reach import holds, near, sees_all

        net, width = self.net, batch.ids.shape[1]
        fits = sees_all(net, width)
        return not self.ends or (fits and holds(self._gaps, net, None, width, same, batch.words))

    def shares(self, batch: Batch) -> bool:
        """True if prompts may run before their texts; tested per width, by comparing both ways."""

        def same(few: Batch) -> bool:
            prompts, few, owner = self._example(few)
            cache = self.before(prompts, few)
            self.after(cache, few, owner)  # the cache must be reusable
            shared, full = self.after(cache, few, owner), self.full_scores(prompts, few, owner)
            return near(full, shared, self.net.dtype)

        from zobench.objectives.llm.loss import plain_head
        from zobench.objectives.llm.reach import holds, near

        if not batch.words.single or plain_head(self.net) is None or not self.gaps(batch):
            return False
        return holds(self._shares, self.net, None, batch.ids.shape[1], same, batch.words)

    def _example(self, few: Batch) -> tuple[torch.Tensor, Batch, torch.Tensor]:
        """Return two random prompts, two rows with positions for them, and the prompt of each row.

        The text of the second row is one token, as far from its prompt as possible.
        """
        import torch

        weight = self.embedding.weight
        generator = torch.Generator().manual_seed(0)
        drawn = torch.randn(2, 1, self.ends - self.begin, weight.shape[1], generator=generator)
        ids, mask = few.ids.clone(), torch.ones_like(few.mask)
        ids[1, : self.ends] = ids[0, : self.ends]  # the columns before the texts are equal
        mask[1, self.ends : -1] = 0
        positions = (mask.cumsum(1) - 1).clamp_(min=0)
        padded = replace(few, ids=ids, mask=mask, positions=positions, _final={})
        prompts = drawn.to(weight.device) * float(weight.float().std())
        return prompts, padded, torch.tensor([1, 0], device=few.ids.device)


def take_rows(batch: Batch, rows: torch.Tensor, ends: int = 0, width: int = 0) -> Batch:
    """Return some rows of a batch, in the order of `rows` (int64, on the CPU).

    With width > 0, only the first `ends` and the last `width` columns.
    """
    import torch

    columns = torch.arange(batch.ids.shape[1])
    if width:
        columns = torch.cat([columns[:ends], columns[len(columns) - width :]])
    device = batch.ids.device
    rows = rows.to(device)
    arrays = {
        name: getattr(batch, name)[rows][:, columns.to(device)]
        for name in ("ids", "mask", "positions")
    }
    return replace(batch, **arrays, labels=batch.labels[rows], _final={})
