"""The params behind an optimizer: what probes move, and what an estimator's moves go through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from zobench.core.directions import Array, Direction, Mask, Recipe, Restricted
from zobench.core.params import Group, Params
from zobench.engine.scratch import ScratchParams
from zobench.engine.tensors import TensorBlock, TensorParams
from zobench.optim.caches import forget


class Walk(TensorParams):
    """TensorParams that know whether a delayed move waits, and tell when one was written."""

    stays = False  # do probes leave the weights where they are?

    def __init__(
        self,
        named: Iterable[tuple[str, torch.Tensor]],
        groups: Sequence[Group] = (),
        rounding: int | None = None,
    ) -> None:
        super().__init__(named, groups, rounding)
        self.written: Callable[[], None] = _nothing
        self._flushing = False

    @property
    def waiting(self) -> bool:
        """Are there moves to be written?"""
        return bool(self._due) and not self._flushing

    def check(self, loss: Callable[[], Any]) -> None:
        """Raises Unsuitable for a loss that would not see the probes."""

    def home(self) -> None:
        self._flushing = False  # also where Ctrl-C came before that was said
        super().home()

    def flush(self) -> None:
        if self.waiting:
            try:
                self._flushing = True
                super().flush()
            finally:
                self._flushing = False
            forget()
            self.written()


class Apart(Walk, ScratchParams):
    """The same, but no probe touches the weights ("scratch"), unless `stays` is set to False."""

    stays = True

    def __init__(
        self,
        module: nn.Module,
        layers: Sequence[nn.Module],
        named: Iterable[tuple[str, torch.Tensor]],
        groups: Sequence[Group] = (),
        rounding: int | None = None,
    ) -> None:
        ScratchParams.__init__(self, module, layers, groups, rounding, named)
        self.written, self._flushing = _nothing, False

    def check(self, loss: Callable[[], Any]) -> None:
        if self.stays:
            ScratchParams.check(self, loss)

    @contextmanager
    def probed(self, scale: float, direction: Direction) -> Iterator[None]:
        kind = ScratchParams if self.stays else TensorParams
        with kind.probed(self, scale, direction):
            yield

    def home(self) -> None:
        self.owned()
        super().home()


class Scaled(Params):
    """A Walk whose moves are scaled, parameter group by parameter group.

    An estimator computes its move for one learning rate. In parameter group i, of learning rate
    lr_i, that move is taken `ratio_i` = lr_i / lr times. Probes do not come through here, so they
    are as long in all groups. Where all ratios are 1 this is the Walk itself, to the last bit.
    """

    blocks: Sequence[TensorBlock]

    def __init__(self, walk: Walk, members: Sequence[frozenset[int]]) -> None:
        """`members[i]`: the blocks of parameter group i."""
        self.walk, self.members = walk, members
        self.blocks, self.groups, self.ops = walk.blocks, walk.groups, walk.ops
        self.moved: Callable[[float, Direction], None] = _nothing  # tells of add, for a record
        self.changed: Callable[[], None] = _nothing  # tells of update and shrink
        self.masked: Callable[[Mask], None] = _nothing  # tells of a mask that was taken
        self._own = {index: i for i, inside in enumerate(members) for index in inside}
        self.set([(1.0, 0.0)] * len(members))

    def set(self, rates: Sequence[tuple[float, float]]) -> None:
        """(ratio, fraction of the weight that a step takes away) for each parameter group."""
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
            self.walk.add(scale * ratio, direction)

    def update(self, block: TensorBlock, delta: torch.Tensor) -> None:
        self.changed()
        ratio = self.rates[self._own[block.index]][0]
        if ratio != 0.0:
            self.walk.update(block, delta if ratio == 1.0 else delta * ratio)

    def decay(self, gradient: Recipe) -> None:
        """Decoupled weight decay of the blocks that the gradient touches."""
        fractions = {fraction for _, fraction in self.rates} - {0.0}
        touched = {block.index for block in self.touched(gradient)} if fractions else set()
        for fraction in sorted(fractions):
            inside = {i for i in touched if self.rates[self._own[i]][1] == fraction}
            if inside:
                self.walk.shrink(1 - fraction, frozenset(inside))

    def shrink(self, factor: float, blocks: frozenset[int] | None = None) -> None:
        self.changed()
        self.walk.shrink(factor, blocks)

    def flush(self) -> None:
        self.walk.flush()

    def dense(self, direction: Direction, block: TensorBlock) -> Array:
        return self.walk.dense(direction, block)

    def gram(self, directions: Sequence[Direction]) -> np.ndarray:
        return self.walk.gram(directions)

    def threshold(self, block: TensorBlock, share: float) -> float:
        return self.walk.threshold(block, share)

    def mask(self, thresholds: Sequence[float]) -> Mask:
        mask = self.walk.mask(thresholds)
        self.masked(mask)
        return mask

    def flat(self) -> np.ndarray:
        return self.walk.flat()


def _nothing(*_: Any) -> None:
    pass
