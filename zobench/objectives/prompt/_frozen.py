"""A frozen causal language model that answers prompts: many prompts in one forward pass."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zobench.core.groups import layers
from zobench.errors import BadInput
from zobench.objectives.llm.tasks import Row, Task

if TYPE_CHECKING:
    import torch

    from zobench.objectives.llm.batches import Batch

# Bytes of a layer's widest activations that a forward pass may take: on a CPU, more leaves the
# cache and gains nothing; a GPU wants much at once.
AT_ONCE = {"cpu": 1 << 24}
ELSEWHERE = 1 << 30


class Frozen:
    """A model whose weights never move; `tokens` places for a prompt follow <s>.

    Loads as the objective `llm` does. Raises BadInput where there is no such model or the prompt
    and a text do not fit into it.
    """

    def __init__(self, model: str, device: str, dtype: str, tokens: int) -> None:
        from zobench.objectives.llm import batches, models
        from zobench.objectives.llm.loss import plain_head

        self.net, self.tokenizer = models.load(model, device, dtype)
        self.net.requires_grad_(False)
        plain_head(self.net)  # looks at the model once, on sequences of its own
        self.tokens = tokens
        self.begin = int(self.tokenizer.bos_token_id is not None)
        self.length = batches.room(self.net) - tokens
        if self.length < 4:
            raise BadInput(f"{tokens} prompt tokens leave no room for a text in {model!r}, which "
                           f"takes {batches.room(self.net)}")  # fmt: skip
        self.embedding = self.net.get_input_embeddings()
        self.stack = layers(self.net)
        forward = inspect.signature(type(self.net.base_model).forward)
        self.numbered = "position_ids" in forward.parameters
        self.at_once = AT_ONCE.get(self.table.device.type, ELSEWHERE)
        self._shares: bool | None = None

    @property
    def table(self) -> torch.Tensor:
        """The word embeddings, (vocabulary, width)."""
        return self.embedding.weight  # pyright: ignore[reportReturnType]

    def ordinary(self) -> np.ndarray:
        """The ids of all tokens that are words or parts of words, ascending."""
        special = set(self.tokenizer.all_special_ids)
        count = min(len(self.tokenizer), len(self.table))
        return np.array([i for i in range(count) if i not in special])

    def encode(self, rows: Sequence[Row], task: Task, part: int = 0) -> list[Batch]:
        """Rows with places for the prompt, `part` rows a batch (0: all of them in one)."""
        import torch

        from zobench.objectives.llm.batches import encode

        split = encode(rows, task, self.tokenizer, self.length, self.table.device)
        places = torch.arange(len(split)).split(part or len(split))
        return [self._spaced(split.take(some)) for some in places]

    def _spaced(self, batch: Batch) -> Batch:
        """<s>, places for the prompt, then padding and the text: prompts share their columns."""
        import torch

        ids, mask = batch.ids, batch.mask.clone()
        if self.begin:  # <s> goes to the front, and leaves padding where it stood
            mask.scatter_(1, mask.argmax(1, keepdim=True), 0)
            if not mask[:, 0].any():
                ids, mask = ids[:, 1:], mask[:, 1:]
        filler = int(self.tokenizer.bos_token_id or 0)  # pyright: ignore[reportArgumentType]
        front = ids.new_full((len(ids), self.begin + self.tokens), filler)
        ids = torch.cat([front, ids], 1)
        mask = torch.cat([torch.ones_like(front), mask], 1)
        positions = (mask.cumsum(1) - 1).clamp_(min=0)
        return replace(batch, ids=ids, mask=mask, positions=positions, _final={})

    def scores(self, prompts: torch.Tensor, batch: Batch) -> np.ndarray:
        """Scores of the label words under each prompt, (n, rows, words), float64.

        prompts: (n, depth, tokens, width). `at_once` says how many share a pass.
        """
        import torch

        from zobench.objectives.llm.memory import explained

        rows, width = batch.ids.shape
        each = rows * width * 4 * prompts.shape[3] * prompts.element_size()  # feed-forward
        found = []
        with torch.inference_mode():
            for some in prompts.split(max(1, self.at_once // each)):
                many = repeated(batch, len(some))
                with explained(self.net, many, 0):
                    answer = self.shared if self.shares(batch) else self.plain
                    found.append(answer(some, many).view(len(some), rows, -1).cpu())
        return torch.cat(found).double().numpy()

    def plain(self, prompts: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Scores (n * rows, words) of sequences that run as a whole."""
        from zobench.objectives.llm.loss import label_scores
        from zobench.objectives.prompt._inject import injected

        with injected(self.embedding, self.stack, prompts, self.begin):
            return label_scores(self.net, batch)

    def shared(self, prompts: torch.Tensor, batch: Batch) -> torch.Tensor:
        """`plain`, where each prompt runs once, and all of its rows read its keys and values.

        A prompt stands before the text, so that nothing of it depends on the text.
        """
        from zobench.objectives.llm.loss import plain_head
        from zobench.objectives.prompt._inject import injected

        ends, rows = self.begin + self.tokens, len(batch.ids) // len(prompts)
        with injected(self.embedding, self.stack, prompts, self.begin):
            kept = self.run(batch, slice(0, ends), slice(None, None, rows)).past_key_values
        kept.batch_repeat_interleave(rows)
        last = self.run(batch, slice(ends, None), slice(None), kept).last_hidden_state[:, -1]
        head = plain_head(self.net)
        assert head is not None  # `shares` looked
        return last.float() @ head.weight[batch.words.ids[:, 0]].float().T

    def run(self, batch: Batch, columns: slice, rows: slice, kept: Any = None) -> Any:
        """The model without its head on some columns, after those that are kept."""
        inputs = {
            "input_ids": batch.ids[rows, columns],
            "attention_mask": batch.mask[rows, : columns.stop],
            "past_key_values": kept,
            "use_cache": True,
        }
        if self.numbered:
            inputs["position_ids"] = batch.positions[rows, columns]
        return self.net.base_model(**inputs)

    def shares(self, batch: Batch) -> bool:
        """May prompts run apart from their texts? Decided once, by comparing both ways."""
        import torch

        from zobench.objectives.llm.loss import plain_head
        from zobench.objectives.llm.masks import close

        if self._shares is None:
            self._shares = False
            if batch.words.single and plain_head(self.net) is not None:
                few = repeated(batch.parts(2)[0], 2)
                generator = torch.Generator().manual_seed(0)
                shape = 2, len(self.stack), self.tokens, self.table.shape[1]
                some = torch.randn(shape, generator=generator).to(self.table.device)
                some *= float(self.table.float().std())
                usual = self.plain(some, few)
                with suppress(ValueError, RuntimeError, TypeError, IndexError, AttributeError):
                    self._shares = close(usual, self.shared(some, few), self.net.dtype)
        return self._shares


def repeated(batch: Batch, count: int) -> Batch:
    """The batch `count` times, one after the other."""
    if count == 1:
        return batch
    tensors = {
        name: getattr(batch, name).repeat(count, *[1] * (getattr(batch, name).dim() - 1))
        for name in ("ids", "mask", "positions", "labels")
    }
    return replace(batch, **tensors, _final={})


def taken(batch: Batch, rows: np.ndarray) -> Batch:
    """Some rows of a batch, in the order given."""
    import torch

    where = torch.from_numpy(rows).to(batch.ids.device)
    tensors = {n: getattr(batch, n)[where] for n in ("ids", "mask", "positions", "labels")}
    return replace(batch, **tensors, _final={})
