"""The state of the weights in memory: moves to be written, probes in force, a broken write.

Each change is a new value in one assignment. So code that is interrupted, at any point, leaves
either the former or the later value.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch

from zobench.core.directions import Direction, Probe, Term
from zobench.engine.tensor_block import TensorBlock

Moves = dict[Hashable, tuple[Any, Direction]]  # scale and direction, by `fixed.key`


class BlockWrite(NamedTuple):
    """One write: outs[i] += the sum of terms, from the element `start` of blocks[i] on."""

    outs: Sequence[torch.Tensor]
    blocks: Sequence[TensorBlock]
    terms: Sequence[Term]
    start: int


@dataclass(frozen=True, slots=True, eq=False)
class Due:
    """Memory = the point and its probes - `sealed` - `pending` + `written`."""

    pending: Moves = field(default_factory=dict)
    sealed: tuple[Moves, ...] = ()  # earlier ones, which later moves do not merge with
    probes: tuple[Probe, ...] = ()  # those in force, the last one innermost
    # by a flush that is under way, or that an error has broken off
    written: list[BlockWrite] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.pending or self.sealed or self.written)

    def moved(self, name: Hashable, scale: Any, direction: Direction) -> Due:
        """Return the state with one more move. Moves of the same `name` merge."""
        before = self.pending[name][0] if name in self.pending else 0.0
        return replace(self, pending={**self.pending, name: (before + scale, direction)})

    def probing(self, name: Hashable, probe: Probe) -> Due:
        """Return the state with one more probe in force."""
        return replace(self.moved(name, *probe), probes=(*self.probes, probe))

    def back(self, name: Hashable, probe: Probe) -> Due:
        """Return the state without that probe."""
        others = tuple(other for other in self.probes if other is not probe)
        return replace(self.moved(name, -probe[0], probe[1]), probes=others)

    def parted(self) -> Due:
        """Return the state in which later moves merge with none of the moves so far."""
        return replace(self, pending={}, sealed=(*self.sealed, self.pending))

    def done(self) -> Due:
        """Return the state in which all moves are written."""
        return Due(probes=self.probes)
