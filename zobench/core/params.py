"""The point being optimised: named blocks in named groups, changed only in place."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from zobench.core.directions import Array, Block, Direction, Mask, Probe, add_terms, terms_of
from zobench.core.fixed import locked
from zobench.errors import Unsuitable, unknown

NORMAL = ("gaussian", "hadamard")  # laws of normal directions
CHUNK = 1 << 16  # coordinates of a direction that exist at once, outside a rule that stores them


def law_named(law: str) -> str:
    """Return the law of normal directions of a name. Raises BadInput where there is none."""
    if law not in NORMAL:
        raise unknown("law of normal directions", law, NORMAL)
    return law


@dataclass(frozen=True)
class Group:
    """Blocks that a block-coordinate method moves together, such as a decoder layer.

    Attributes:
        name: such as "layer.3".
        blocks: the indices of the blocks.
        role: "embeddings", "layer", "head" or "choice" (of a word, say).

    Example:
        >>> zobench.Group("head", frozenset([5, 6]), "head").blocks
        frozenset({5, 6})
    """

    name: str
    blocks: frozenset[int]
    role: str = "layer"


class Params(ABC):
    """The point x, as named blocks in named groups. Only `add`, `shrink` and `update` change it.

    An estimator is given one in `start`. `zobench.VectorParams` is over a NumPy vector and
    `zobench.TensorParams` over torch tensors.

    Attributes:
        blocks: the arrays of the point, in their order; see `zobench.Block`.
        groups: the groups of blocks that block-coordinate methods move together.
        ops: the module that rules compute with: numpy, or torch for tensors.
        law: the law of the normal directions that samplers draw: "gaussian", or "hadamard", which
            takes less than half the time; see `zobench.Noise`.

    Example:
        >>> import numpy as np
        >>> params = zobench.VectorParams(np.zeros(3))
        >>> params.update(params.blocks[0], np.ones(3))
        >>> params.shrink(0.5)
        >>> params.flat()
        array([0.5, 0.5, 0.5])
    """

    blocks: Sequence[Block]
    groups: Sequence[Group]
    ops: Any  # a module: the functions of numpy and torch that rules call have the same names
    law: str = "gaussian"

    @property
    def size(self) -> int:
        """The dimension d: the number of coordinates."""
        last = self.blocks[-1]
        return last.start + last.size

    @abstractmethod
    def add(self, scale: float, direction: Direction) -> None:
        """Move the point: x <- x + scale * direction.

        Params over tensors may delay the write until the point is read, but only along a direction
        that cannot change.

        Args:
            scale: the factor of the direction.
            direction: see `zobench.Direction`.
        """

    @abstractmethod
    def shrink(self, factor: float, blocks: frozenset[int] | None = None) -> None:
        """Decay the point: x <- factor * x.

        Args:
            factor: such as 1 - lr * weight_decay.
            blocks: the indices of the blocks to decay; by default all.
        """

    @abstractmethod
    def flush(self) -> None:
        """Write the delayed moves, so that the blocks hold the point x."""

    def returning(self) -> AbstractContextManager[None]:
        """Try moves: when the context ends, the point is what it was, to the last bit.

        Returns:
            A context manager, which stores one copy of the point.

        Raises:
            Unsuitable: these params cannot do so.
        """
        raise Unsuitable(f"needs a point that can be restored, which {type(self).__name__} lacks")

    def probed(self, scale: float, direction: Direction) -> AbstractContextManager[None]:
        """Evaluate at a probe: inside the context, readers of the blocks find the probe.

        Args:
            scale: the scale of the probe.
            direction: its direction.

        Returns:
            A context manager. Inside it the point reads as x + scale * direction.
        """
        return _there_and_back(self, scale, direction)

    def together(self, probes: Sequence[Probe]) -> AbstractContextManager[None]:
        """Announce the probes of a call, which `probed` then visits one by one, in their order.

        Args:
            probes: pairs (scale, direction).

        Returns:
            A context manager. By default it does nothing. Params that can evaluate several probes
            in one pass over the weights do so inside it.
        """
        return nullcontext()

    @abstractmethod
    def dense(self, direction: Direction, block: Block) -> Array:
        """Return the direction on one block as an array, for rules that compute with arrays.

        Args:
            direction: the direction.
            block: one of `blocks`.

        Returns:
            A flat array of `ops`, shape (block.size,).
        """

    @abstractmethod
    def update(self, block: Block, delta: Array) -> None:
        """Move one block by an array: x <- x + delta.

        Args:
            block: one of `blocks`.
            delta: a flat array of `ops`, shape (block.size,).
        """

    @abstractmethod
    def flat(self) -> np.ndarray:
        """Return a copy of the point.

        Returns:
            One float64 vector, shape (d,).
        """

    def threshold(self, block: Block, share: float) -> float:
        """Return the magnitude that a share of the coordinates of a block does not exceed.

        Args:
            block: one of `blocks`.
            share: a number between 0 and 1.

        Returns:
            The k-th smallest magnitude, with k = share * size, rounded and at least 1.
        """
        sizes = np.abs(self.flat()[block.start : block.start + block.size])
        return float(np.partition(sizes, smallest(share, block) - 1)[smallest(share, block) - 1])

    def small(self, block: Block, threshold: float) -> np.ndarray:
        """Find the coordinates of a block whose magnitude is at most the threshold.

        Args:
            block: one of `blocks`.
            threshold: a magnitude.

        Returns:
            One bit per coordinate, packed as by numpy.packbits: 1 for a small coordinate.
        """
        sizes = np.abs(self.flat()[block.start : block.start + block.size])
        return np.packbits(sizes <= threshold)

    def mask(self, thresholds: Sequence[float]) -> Mask:
        """Return the coordinates whose magnitude is at most the threshold of their block.

        Args:
            thresholds: one magnitude per block.

        Returns:
            The mask at the present point. It does not change when the point moves.
        """
        self.flush()
        pairs = zip(self.blocks, thresholds, strict=True)
        return Mask(tuple(thresholds), tuple(locked(self.small(b, h)) for b, h in pairs))

    def touched(self, direction: Direction) -> Iterator[Block]:
        """Find the blocks on which a direction is not zero.

        Args:
            direction: the direction.

        Returns:
            An iterator over the blocks.
        """
        return (b for b in self.blocks if any(True for _ in terms_of(direction, b)))

    def gram(self, directions: Sequence[Direction]) -> np.ndarray:
        """Return the inner products <d_i, d_j>.

        Args:
            directions: n directions. A chunk of each exists at a time.

        Returns:
            The Gram matrix, shape (n, n).
        """
        total = np.zeros((len(directions), len(directions)))
        for block in self.blocks:
            terms = [tuple(terms_of(d, block)) for d in directions]
            for start in range(0, block.size, CHUNK) if any(terms) else ():
                part = np.zeros((len(directions), min(CHUNK, block.size - start)))
                for row, row_terms in zip(part, terms):
                    add_terms(row, row_terms, block, start)
                total += part @ part.T
        return total

    def norm(self, direction: Direction) -> float:
        """Return the length of a direction.

        Args:
            direction: the direction d.

        Returns:
            The Euclidean norm |d|.
        """
        return float(self.gram([direction])[0, 0]) ** 0.5

    def groups_where(self, pick: Callable[[Group], bool]) -> list[Group]:
        """Select groups.

        Args:
            pick: takes a group, and returns True to select it.

        Returns:
            The selected groups, in their order.
        """
        return [group for group in self.groups if pick(group)]

    def chosen(self, pick: Callable[[Group], bool]) -> list[Group]:
        """Deprecated name of `groups_where`.

        Args:
            pick: takes a group, and returns True to select it.

        Returns:
            The selected groups, in their order.
        """
        text = "Params.chosen goes in zobench 0.4: use groups_where"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return self.groups_where(pick)


@contextmanager
def _there_and_back(params: Params, scale: float, direction: Direction) -> Iterator[None]:
    params.add(scale, direction)
    params.flush()
    try:
        yield
    finally:
        params.add(-scale, direction)


def smallest(share: float, block: Block) -> int:
    """Return the number of coordinates in a share of a block, at least 1."""
    return max(1, round(share * block.size))
