"""A frozen causal language model, and the encoded texts of a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from zobench.errors import BadInput
from zobench.objectives.llm.tasks import LabelledText, Task
from zobench.objectives.prompt._inject import check
from zobench.objectives.prompt._passes import Passes, take_rows

if TYPE_CHECKING:
    import torch

    from zobench.objectives.llm.batches import Batch


class Frozen:
    """A model whose weights do not move; <s> is followed by `tokens` positions for a prompt.

    The model is loaded as by the objective `llm`. Raises BadInput if there is no such model, or if
    the prompt and a text do not fit into it.
    """

    def __init__(self, task: Task, model: str, device: str, dtype: str, tokens: int) -> None:
        from zobench.objectives.llm import batches, models
        from zobench.objectives.llm.checkpoint import naming
        from zobench.objectives.llm.loss import plain_head

        self.net, self.tokenizer = models.load(model, device, dtype)
        self.net.requires_grad_(False)
        plain_head(self.net)  # tests the model once, on its own sequences
        self.task, self.tokens = task, tokens
        self.begin = int(self.tokenizer.bos_token_id is not None)
        self.length = batches.room(self.net) - tokens
        if self.length < 4:
            raise BadInput(f"{tokens} prompt tokens leave no room for a text in {model!r}, which "
                           f"takes {batches.room(self.net)}")  # fmt: skip
        self.passes = Passes(self.net, self.begin, self.begin + tokens)
        with naming(model):
            check(self.net, self.begin, self.begin + tokens)
        self.splits: dict[str, Batch] = {}

    @property
    def table(self) -> torch.Tensor:
        """The word embeddings, shape (vocabulary, width)."""
        return self.passes.embedding.weight  # pyright: ignore[reportReturnType]

    @cached_property
    def vectors(self) -> torch.Tensor:
        """The model's input per token, shape (vocabulary, width): the table or a scaled one."""
        import torch

        table, embed = self.table.detach(), self.passes.embedding
        few = torch.arange(min(8, len(table)), device=table.device)
        with torch.no_grad():
            plain = torch.equal(embed(few), table[few])
            return table if plain else embed(torch.arange(len(table), device=table.device))

    def ordinary(self) -> np.ndarray:
        """Return the ids of all tokens that are words or parts of words, ascending."""
        special = set(self.tokenizer.all_special_ids)
        count = min(len(self.tokenizer), len(self.table))
        return np.array([i for i in range(count) if i not in special])

    def judged(
        self, prompts: torch.Tensor, split: str, rows: np.ndarray | None = None
    ) -> np.ndarray:
        """Return scores of the label words (n, rows, words), float64, on a split or some rows.

        prompts: (n, depth, tokens, width).
        """
        import torch

        batch = self.split(split)
        if rows is not None:
            batch = take_rows(batch, torch.from_numpy(rows))
        return self.passes.scores(prompts, batch).numpy()

    def scores_without_prompt(self, batch: Batch) -> np.ndarray:
        """Return scores of the label words without a prompt, (rows, words), float64."""
        empty = self.table.new_zeros(1, 1, 0, self.table.shape[1])
        return self.passes.scores(empty, batch)[0].numpy()

    def split(self, name: str) -> Batch:
        """Return a split of the task, which is encoded at the first use."""
        if name not in self.splits:
            self.splits[name] = self.encode(getattr(self.task, name))
        return self.splits[name]

    def encode(self, rows: Sequence[LabelledText]) -> Batch:
        """Encode texts as <s>, positions for the prompt, padding, and the text.

        The prompt is in the same columns of all rows.
        """
        import torch

        from zobench.objectives.llm.batches import encode
        from zobench.objectives.llm.decoder import check_length

        split = encode(rows, self.task, self.tokenizer, self.length, self.table.device)
        batch = split.take(torch.arange(len(split)))
        ids, mask = batch.ids, batch.mask.clone()
        if self.begin:  # <s> moves to the front; its old position becomes padding
            mask.scatter_(1, mask.argmax(1, keepdim=True), 0)
            if not mask[:, 0].any():
                ids, mask = ids[:, 1:], mask[:, 1:]
        longest = self.begin + self.tokens + ids.shape[1]
        check_length(self.net, longest + max(batch.words.lengths) - 1)
        filler = int(self.tokenizer.bos_token_id or 0)  # pyright: ignore[reportArgumentType]
        front = ids.new_full((len(ids), self.begin + self.tokens), filler)
        ids = torch.cat([front, ids], 1)
        mask = torch.cat([torch.ones_like(front), mask], 1)
        positions = (mask.cumsum(1) - 1).clamp_(min=0)
        return replace(batch, ids=ids, mask=mask, positions=positions, _final={})
