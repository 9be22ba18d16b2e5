"""Buckets of lengths: minibatches of similar length share buffers of one shape.

They are padded on the left. Padding is masked: its weight in attention is an exact zero of softmax.
So the loss of a padded minibatch is the same sum in another order.
"""

from __future__ import annotations

from zobench.objectives.llm.batches import Batch

NARROWEST = 8  # tokens between the lengths of short buckets; long ones differ by an eighth


def tokens(width: int) -> int:
    """Return the bucket length for sequences of `width` tokens, at most 1/8 or 7 tokens longer."""
    step = max(NARROWEST, 1 << max(0, width.bit_length() - 4))
    return -(-width // step) * step


class Bucket:
    """Buffers of one shape; `batch` reads them, and is a new object for each minibatch."""

    def __init__(self, like: Batch, length: int) -> None:
        rows, new = len(like.labels), like.ids.new_zeros
        self.words, self.labels = like.words, like.labels.new_zeros(rows)
        self.ids, self.mask, self.positions = (new((rows, length)) for _ in range(3))
        self._loaded: Batch | None = None
        self.batch = self.view()

    def view(self) -> Batch:
        """Return a new batch over the buffers, which has not computed anything from them yet."""
        return Batch(self.ids, self.mask, self.positions, self.labels, self.words, fixed=True)

    def load(self, batch: Batch) -> bool:
        """Copy a batch into the buffers; return False if it is the one that was copied last.

        The tensors of a batch must not change.
        """
        if batch is self._loaded:
            return False
        width = batch.ids.shape[1]
        for buffer, tensor in (
            (self.ids, batch.ids),
            (self.mask, batch.mask),
            (self.positions, batch.positions),
        ):
            buffer[:, :-width].zero_()
            buffer[:, -width:].copy_(tensor)
        self.labels.copy_(batch.labels)
        self._loaded, self.batch = batch, self.view()
        return True
