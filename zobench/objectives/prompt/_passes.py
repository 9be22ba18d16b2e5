"""Many prompts before many texts, in few forward passes of a frozen model."""

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
    from zobench.objectives.llm.reach import Found

# Bytes of a layer's widest activations that a forward pass may take: on a CPU, more leaves the
# cache and gains nothing; a GPU wants much at once.
AT_ONCE = {"cpu": 1 << 20}
ELSEWHERE = 1 << 30


class Passes:
    """A model that reads prompts in columns `begin` ... `ends` - 1, and texts after them."""

    def __init__(self, net: PreTrainedModel, begin: int, ends: int) -> None:
        self.net, self.begin, self.ends = net, begin, ends
        self.embedding: Any = net.get_input_embeddings()
        self.stack = layers(net)
        asked = inspect.signature(type(net.base_model).forward).parameters
        self.numbered = "position_ids" in asked
        self.kept_as = "cache" if "cache" in asked else "past_key_values"  # of transformers < 5.24
        self.at_once = AT_ONCE.get(self.embedding.weight.device.type, ELSEWHERE)
        self._gaps: Found = {}  # what `gaps` found
        self._shares: Found = {}  # what `shares` found

    def scores(self, prompts: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Scores of the label words under each prompt, (n, rows, words), float64 on the host.

        prompts: (n, depth, tokens, width). Pairs of a prompt and a text share passes, as many as
        `at_once` says; the longest texts come first, so that little of a pass is padding. Where
        padding may not part texts from prompts, only texts of one length share a pass.
        """
        import torch

        token = 4 * prompts.shape[3] * prompts.element_size()  # bytes in the feed-forward layer
        held = max(1, self.ends * token * len(self.stack) // 2)  # keys and values of a prompt
        lengths = batch.mask[:, self.ends :].sum(1).cpu()
        texts = lengths.argsort(stable=True, descending=True)
        found = []
        with torch.inference_mode():
            gaps = self.gaps(batch)
            shares = self.shares(batch)
            for some in prompts.split(max(1, self.at_once // held)):
                kept = self.before(some, batch) if shares else None
                rows = texts.repeat_interleave(len(some))
                owner = torch.arange(len(some)).repeat(len(texts))
                told, done = [], 0
                while done < len(rows):
                    width = int(lengths[rows[done]])
                    each = token * (width if shares else self.ends + width)
                    most = max(1, self.at_once // each)
                    if not gaps:
                        most = min(most, int((lengths[rows[done:]] == width).sum()))
                    part = slice(done, done + most)
                    told.append(self._part(some, kept, batch, rows[part], owner[part], width))
                    done = part.stop
                by_text = torch.cat(told).view(len(texts), len(some), -1)
                found.append(by_text[texts.argsort()].transpose(0, 1))
        return torch.cat(found).double()

    def _part(
        self, prompts: torch.Tensor, kept: Any, batch: Batch, rows: torch.Tensor,
        owner: torch.Tensor, width: int,
    ) -> torch.Tensor:  # fmt: skip
        from zobench.objectives.llm.memory import explained

        few = taken(batch, rows, self.ends, width)
        own = owner.to(few.ids.device)
        with explained(self.net, few, 0):
            if kept is None:
                return self.whole(prompts, few, own).cpu()
            return self.after(kept, few, own).cpu()

    def whole(self, prompts: torch.Tensor, batch: Batch, owner: torch.Tensor) -> torch.Tensor:
        """Scores (rows, words) of sequences that run as a whole; owner: the prompt of each row."""
        from zobench.objectives.llm.loss import decide, label_scores
        from zobench.objectives.prompt._inject import injected

        decide(self.net, batch.words, batch.ids.shape[1])  # before anything is injected
        with injected(self.embedding, self.stack, prompts, owner, self.begin):
            return label_scores(self.net, batch)

    def states(self, prompt: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The last hidden states of the rows of a batch under one prompt (1, depth, k, width)."""
        from zobench.objectives.llm.forward import hidden
        from zobench.objectives.prompt._inject import injected

        owner = batch.labels.new_zeros(len(batch.labels))
        with injected(self.embedding, self.stack, prompt, owner, self.begin):
            return hidden(self.net, batch.ids, batch.mask, batch.positions)

    def before(self, prompts: torch.Tensor, batch: Batch) -> Any:
        """The keys and values of prompts: they do not depend on the texts that follow."""
        import torch

        from zobench.objectives.prompt._inject import injected

        device, count = batch.ids.device, len(prompts)
        ids = batch.ids[:1, : self.ends].expand(count, -1)
        positions = torch.arange(self.ends, device=device).expand(count, -1)
        owner = torch.arange(count, device=device)
        with injected(self.embedding, self.stack, prompts, owner, self.begin):
            found = self._run(ids, torch.ones_like(ids), positions, None)
            return found.cache if "cache" in found else found.past_key_values

    def after(self, kept: Any, batch: Batch, owner: torch.Tensor) -> torch.Tensor:
        """`whole`, where texts read what is kept of their prompts."""
        from zobench.objectives.llm.loss import plain_head

        own = copy(kept)
        own.layers = [copy(layer) for layer in kept.layers]
        own.batch_select_indices(owner)
        ids, positions = batch.ids[:, self.ends :], batch.positions[:, self.ends :]
        last = self._run(ids, batch.mask, positions, own).last_hidden_state[:, -1]
        head = plain_head(self.net)
        assert head is not None  # `shares` looked
        return last.float() @ head.weight[batch.words.ids[:, 0]].float().T

    def _run(
        self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, kept: Any
    ) -> Any:
        inputs = {"input_ids": ids, "attention_mask": mask, self.kept_as: kept}
        if self.numbered:
            inputs["position_ids"] = positions
        return self.net.base_model(**inputs, use_cache=True)

    def like(self, batch: Batch) -> Iterator[Batch]:
        """The rows of a batch, in as many batches as `gaps` asks for."""
        if self.gaps(batch):
            yield batch
            return
        lengths = batch.mask[:, self.ends :].sum(1).cpu()
        for width in lengths.unique().tolist():
            yield taken(batch, (lengths == width).nonzero()[:, 0], self.ends, width)

    def gaps(self, batch: Batch) -> bool:
        """May padding stand between a prompt and its text? Not in a model with a window or state.

        Decided for a width, by comparison with a row that has no padding.
        """

        def same(few: Batch) -> bool:
            prompts, few, owner = self._example(few)
            short = taken(few, torch.tensor([1]), self.ends, int(few.mask[1, self.ends :].sum()))
            alone = self.whole(prompts, short, owner[1:])
            return near(self.whole(prompts, few, owner)[1:], alone, self.net.dtype)

        import torch

        from zobench.objectives.llm.reach import holds, near, sees_all

        net, width = self.net, batch.ids.shape[1]
        fits = sees_all(net, width)
        return not self.ends or (fits and holds(self._gaps, net, None, width, same, batch.words))

    def shares(self, batch: Batch) -> bool:
        """May prompts run apart from their texts? Decided for a width, by comparing both ways."""

        def same(few: Batch) -> bool:
            prompts, few, owner = self._example(few)
            kept = self.before(prompts, few)
            self.after(kept, few, owner)  # what is kept must serve again
            ours, usual = self.after(kept, few, owner), self.whole(prompts, few, owner)
            return near(usual, ours, self.net.dtype)

        from zobench.objectives.llm.loss import plain_head
        from zobench.objectives.llm.reach import holds, near

        if not batch.words.single or plain_head(self.net) is None or not self.gaps(batch):
            return False
        return holds(self._shares, self.net, None, batch.ids.shape[1], same, batch.words)

    def _example(self, few: Batch) -> tuple[torch.Tensor, Batch, torch.Tensor]:
        """Two random prompts, two rows with places for them, and the prompt of each row.

        The text of the second row is one token, as far from its prompt as can be.
        """
        import torch

        weight = self.embedding.weight
        generator = torch.Generator().manual_seed(0)
        drawn = torch.randn(2, 1, self.ends - self.begin, weight.shape[1], generator=generator)
        ids, mask = few.ids.clone(), torch.ones_like(few.mask)
        ids[1, : self.ends] = ids[0, : self.ends]  # what stands before texts is the same
        mask[1, self.ends : -1] = 0
        positions = (mask.cumsum(1) - 1).clamp_(min=0)
        padded = replace(few, ids=ids, mask=mask, positions=positions, _final={})
        prompts = drawn.to(weight.device) * float(weight.float().std())
        return prompts, padded, torch.tensor([1, 0], device=few.ids.device)


def taken(batch: Batch, rows: torch.Tensor, ends: int = 0, width: int = 0) -> Batch:
    """Some rows (host, int64), in that order; width > 0: of the columns, the first `ends` and the
    last `width`."""
    import torch

    columns = torch.arange(batch.ids.shape[1])
    if width:
        columns = torch.cat([columns[:ends], columns[len(columns) - width :]])
    device = batch.ids.device
    where = rows.to(device)
    wide = {
        name: getattr(batch, name)[where][:, columns.to(device)]
        for name in ("ids", "mask", "positions")
    }
    return replace(batch, **wide, labels=batch.labels[where], _final={})
