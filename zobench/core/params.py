"""The point being optimised: named blocks in named groups, changed only in place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from zobench.core.directions import Array, Block, Direction, Mask, add_terms
from zobench.core.fixed import locked

CHUNK = 1 << 16  # coordinates of a direction that exist at once, outside a rule that stores them


@dataclass(frozen=True)
class Group:
    """Blocks that a block-coordinate method moves together (a decoder layer of an LLM)."""

    name: str
    blocks: frozenset[int]
    role: str = "layer"  # "embeddings", "layer", "head" or "choice" (of a word, say)


class Params(ABC):
    """The point x. Only `add`, `shrink` and `update` change it."""

    blocks: Sequence[Block]
    groups: Sequence[Group]
    ops: ModuleType | Any  # numpy, or torch for a module: what rules compute with

    @property
    def size(self) -> int:
        """The dimension d: the number of coordinates."""
        last = self.blocks[-1]
        return last.start + last.size

    @abstractmethod
    def add(self, scale: float, direction: Direction) -> None:
        """x <- x + scale * direction. A module may delay the write until it must be seen, but only
        along a direction that cannot change."""

    @abstractmethod
    def shrink(self, factor: float, blocks: frozenset[int] | None = None) -> None:
        """x <- factor * x on `blocks` (default: all): decoupled weight decay."""

    @abstractmethod
    def flush(self) -> None:
        """Write the delayed moves, so that the blocks hold the point x."""

    @contextmanager
    def probed(self, scale: float, direction: Direction) -> Iterator[None]:
        """Inside, the blocks hold x + scale * direction, or whoever reads them finds it there."""
        self.add(scale, direction)
        self.flush()
        try:
            yield
        finally:
            self.add(-scale, direction)

    @abstractmethod
    def dense(self, direction: Direction, block: Block) -> Array:
        """The direction on a block as a flat array of shape (block.size,)."""

    @abstractmethod
    def update(self, block: Block, delta: Array) -> None:
        """x <- x + delta on a block, for rules that compute with arrays; delta is flat."""

    @abstractmethod
    def flat(self) -> np.ndarray:
        """A copy of the point as one float64 vector, shape (d,)."""

    def threshold(self, block: Block, share: float) -> float:
        """The magnitude that a share of the coordinates of a block does not exceed.

        It is the k-th smallest magnitude, with k = share * size, rounded and at least 1.
        """
        sizes = np.abs(self.flat()[block.start : block.start + block.size])
        return float(np.partition(sizes, smallest(share, block) - 1)[smallest(share, block) - 1])

    def small(self, block: Block, threshold: float) -> np.ndarray:
        """Packed bits: 1 where the magnitude of a coordinate is at most the threshold."""
        sizes = np.abs(self.flat()[block.start : block.start + block.size])
        return np.packbits(sizes <= threshold)

    def mask(self, thresholds: Sequence[float]) -> Mask:
        """The coordinates whose magnitude is at most the threshold of their block, at the point."""
        self.flush()
        pairs = zip(self.blocks, thresholds, strict=True)
        return Mask(tuple(thresholds), tuple(locked(self.small(b, h)) for b, h in pairs))

    def touched(self, direction: Direction) -> Iterator[Block]:
        """The blocks on which the direction is not zero."""
        return (b for b in self.blocks if any(True for _ in direction.expand(b)))

    def gram(self, directions: Sequence[Direction]) -> np.ndarray:
        """The inner products <d_i, d_j>, shape (n, n), a chunk of each direction at a time."""
        total = np.zeros((len(directions), len(directions)))
        for block in self.blocks:
            terms = [tuple(d.expand(block)) for d in directions]
            for start in range(0, block.size, CHUNK) if any(terms) else ():
                part = np.zeros((len(directions), min(CHUNK, block.size - start)))
                for row, row_terms in zip(part, terms):
                    add_terms(row, row_terms, block, start)
                total += part @ part.T
        return total

    def norm(self, direction: Direction) -> float:
        """The Euclidean length |d|."""
        return float(self.gram([direction])[0, 0]) ** 0.5

    def chosen(self, pick: Callable[[Group], bool]) -> list[Group]:
        """The groups that satisfy `pick`."""
        return [group for group in self.groups if pick(group)]


def smallest(share: float, block: Block) -> int:
    """The number of coordinates that a share of a block has, at least 1."""
    return max(1, round(share * block.size))
