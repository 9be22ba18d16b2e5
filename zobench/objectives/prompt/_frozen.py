"""A frozen causal language model that answers prompts: many prompts in one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zobench.core.groups import layers
from zobench.errors import BadInput
from zobench.objectives.llm.tasks import Row, Task

if TYPE_CHECKING:
    import torch

    from zobench.objectives.llm.batches import Batch

AT_ONCE = 1 << 26  # bytes of one layer's widest activations that a forward pass may take


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
        from zobench.objectives.llm.batches import encode

        import torch

        split = encode(rows, task, self.tokenizer, self.length, self.table.device)
        places = torch.arange(len(split)).split(part or len(split))
        return [self._spaced(split.take(some)) for some in places]

    def _spaced(self, batch: Batch) -> Batch:
        """<s>, places for the prompt, then padding and the text: all prompts in the same columns."""
        import torch

        ids, mask = batch.ids, batch.mask.clone()
        if self.begin:  # <s> goes to the front, and leaves padding where it stood
            mask.scatter_(1, mask.argmax(1, keepdim=True), 0)
            if not mask[:, 0].any():
                ids, mask = ids[:, 1:], mask[:, 1:]
        front = ids.new_full((len(ids), self.begin + self.tokens), self.tokenizer.bos_token_id or 0)
        ids = torch.cat([front, ids], 1)
        mask = torch.cat([torch.ones_like(front), mask], 1)
        positions = (mask.cumsum(1) - 1).clamp_(min=0)
        return replace(batch, ids=ids, mask=mask, positions=positions, _final={})

    def scores(self, prompts: torch.Tensor, batch: Batch) -> np.ndarray:
        """Scores of the label words under each prompt, (n, rows, words), float64.

        prompts: (n, depth, tokens, width). As many prompts share a forward pass as AT_ONCE allows.
        """
        import torch

        from zobench.objectives.llm.loss import label_scores
        from zobench.objectives.llm.memory import explained
        from zobench.objectives.prompt._inject import injected

        rows, width = batch.ids.shape
        each = rows * width * 4 * prompts.shape[3] * prompts.element_size()  # feed-forward
        found = []
        with torch.inference_mode():
            for some in prompts.split(max(1, AT_ONCE // each)):
                many = repeated(batch, len(some))
                with (
                    explained(self.net, many, 0),
                    injected(self.embedding, self.stack, some, self.begin),
                ):
                    found.append(label_scores(self.net, many).view(len(some), rows, -1).cpu())
        return torch.cat(found).double().numpy()


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
