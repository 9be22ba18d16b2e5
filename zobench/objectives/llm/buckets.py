"""Buckets of lengths: minibatches of like length in buffers of one shape, padded on the left.

Padding is masked: what a token gives to it is an exact zero of softmax times a finite number. So
the loss of a padded minibatch is the same sum in another order.
"""

from __future__ import annotations

from zobench.objectives.llm.batches import Batch

NARROWEST = 8  # tokens between the shortest buckets; an eighth of the length for long ones


def tokens(width: int) -> int:
    """The length of the bucket for sequences of `width` tokens: at most 1/8 or 7 tokens longer."""
    step = max(NARROWEST, 1 << max(0, width.bit_length() - 4))
    return -(-width // step) * step


class Bucket:
    """Buffers of one shape. `batch` is over them, and new with each minibatch."""

    def __init__(self, like: Batch, length: int) -> None:
        rows, new = len(like.labels), like.ids.new_zeros
        self.words, self.labels = like.words, like.labels.new_zeros(rows)
        self.ids, self.mask, self.positions = (new((rows, length)) for _ in range(3))
        self._loaded: Batch | None = None
        self.batch = self.view()

    def view(self) -> Batch:
        """A batch over the buffers that has not computed anything from them yet."""
        return Batch(self.ids, self.mask, self.positions, self.labels, self.words, fixed=True)

    def load(self, batch: Batch) -> bool:
        """Copy it in, unless it is what was copied last: its tensors are taken as constant."""
        if batch is self._loaded:
            return False
        width = batch.ids.shape[1]
        for ours, theirs in (
            (self.ids, batch.ids),
            (self.mask, batch.mask),
            (self.positions, batch.positions),
        ):
            ours[:, :-width].zero_()
            ours[:, -width:].copy_(theirs)
        self.labels.copy_(batch.labels)
        self._loaded, self.batch = batch, self.view()
        return True
