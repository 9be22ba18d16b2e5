"""The params that an estimator moves, scaled by the learning rates of torch's groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from zobench.core.directions import Array, Direction, Mask, Recipe, Restricted
from zobench.core.params import Params
from zobench.engine.tensor_block import TensorBlock
from zobench.engine.tensors import TensorParams


class Scaled(Params):
    """Params whose moves are scaled, with one factor per parameter group.

    An estimator computes its move for one learning rate. In parameter group i, of learning rate
    lr_i, that move is taken `ratio_i` = lr_i / lr times. Probes do not come through here, so they
    are as long in all groups. Where all ratios are 1, moves are those of the inner params, to the
    last bit.
    """

    blocks: Sequence[TensorBlock]

    def __init__(self, inner: TensorParams, members: Sequence[frozenset[int]]) -> None:
        """`members[i]` are the blocks of parameter group i."""
        self.inner, self.members = inner, members
        self.blocks, self.groups, self.ops = inner.blocks, inner.groups, inner.ops
        self.law = inner.law
        self.moved: Callable[[float, Direction], None] = _nothing  # called by add, for a record
        self.changed: Callable[[], None] = _nothing  # called by update and shrink
        self.masked: Callable[[Mask], None] = _nothing  # called by mask
        self._own = {index: i for i, inside in enumerate(members) for index in inside}
        self.set([(1.0, 0.0)] * len(members))

    def set(self, rates: Sequence[tuple[float, float]]) -> None:
        """Set (ratio, fraction of the weight that a step takes away) for each parameter group."""
        self.rates = list(rates)
        pieces: dict[float, frozenset[int]] = {}
        for (ratio, _), inside in zip(rates, self.members):
            pieces[ratio] = pieces.get(ratio, frozenset()) | inside
        self._pieces = [(ratio, blocks) for ratio, blocks in pieces.items() if blocks]

    def add(self, scale: float, direction: Direction) -> None:
        self.moved(scale, direction)
        if len(self._pieces) == 1:
            self._add(scale, self._pieces[0][0], direction)
            return
        for ratio, blocks in self._pieces:
            self._add(scale, ratio, Restricted(direction, blocks))

    def _add(self, scale: float, ratio: float, direction: Direction) -> None:
        if ratio != 0.0:
            self.inner.add(scale * ratio, direction)

    def update(self, block: TensorBlock, delta: torch.Tensor) -> None:
        self.changed()
        ratio = self.rates[self._own[block.index]][0]
        if ratio != 0.0:
            self.inner.update(block, delta if ratio == 1.0 else delta * ratio)

    def decay(self, gradient: Recipe) -> None:
        """Decay the weights of the blocks that the gradient touches."""
        fractions = {fraction for _, fraction in self.rates} - {0.0}
        touched = {block.index for block in self.touched(gradient)} if fractions else set()
        for fraction in sorted(fractions):
            inside = {i for i in touched if self.rates[self._own[i]][1] == fraction}
            if inside:
                self.inner.shrink(1 - fraction, frozenset(inside))

    def shrink(self, factor: float, blocks: frozenset[int] | None = None) -> None:
        self.changed()
        self.inner.shrink(factor, blocks)

    def flush(self) -> None:
        self.inner.flush()

    def dense(self, direction: Direction, block: TensorBlock) -> Array:
        return self.inner.dense(direction, block)

    def gram(self, directions: Sequence[Direction]) -> np.ndarray:
        return self.inner.gram(directions)

    def threshold(self, block: TensorBlock, share: float) -> float:
        return self.inner.threshold(block, share)

    def mask(self, thresholds: Sequence[float]) -> Mask:
        mask = self.inner.mask(thresholds)
        self.masked(mask)
        return mask

    def flat(self) -> np.ndarray:
        return self.inner.flat()


def _nothing(*_: Any) -> None:
    pass
