"""Params over one float64 vector, whose probes are rows of one matrix."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from zobench.core.directions import Dense, Direction, Noise, Probe, add_terms, terms_of
from zobench.core.noise import interface as noise
from zobench.core.params import Group, Params


@dataclass(frozen=True)
class VectorBlock:
    """A slice of the vector, seen as an array of its own shape."""

    index: int
    name: str
    shape: tuple[int, ...]
    start: int

    @property
    def size(self) -> int:
        """The number of coordinates."""
        return math.prod(self.shape)

    @property
    def span(self) -> slice:
        """The coordinates of the block in the vector."""
        return slice(self.start, self.start + self.size)


class VectorParams(Params):
    """A vector x of shape (d,), seen as blocks of the given shapes. Each block is a group.

    Args:
        x: the point, shape (d,). It is copied.
        shapes: the shapes of the blocks, in their order; by default the point is one block.

    Raises:
        ValueError: the shapes do not hold d coordinates.

    Example:
        >>> import numpy as np
        >>> params = zobench.VectorParams(np.zeros(6), [(2, 2), (2,)])
        >>> [block.shape for block in params.blocks]
        [(2, 2), (2,)]
        >>> points = params.rows([(0.1, zobench.Noise(0)), (-0.1, zobench.Noise(0))])
        >>> bool((points[0] == -points[1]).all())
        True
    """

    ops = np

    def __init__(self, x: np.ndarray, shapes: Sequence[tuple[int, ...]] = ()) -> None:
        self._x = np.array(x, dtype=np.float64)
        blocks, start = [], 0
        for index, shape in enumerate(shapes or [self._x.shape]):
            blocks.append(VectorBlock(index, f"x{index}", tuple(shape), start))
            start += blocks[-1].size
        if start != self._x.size or self._x.ndim != 1:
            raise ValueError(f"shapes {shapes} hold {start} coordinates, x has shape {x.shape}")
        self.blocks: Sequence[VectorBlock] = tuple(blocks)
        self.groups: Sequence[Group] = tuple(Group(b.name, frozenset([b.index])) for b in blocks)
        self._dim = start
        self._borders = np.array([*(b.start for b in blocks), start])
        self._views = [(self._x[b.span], b.index) for b in blocks]
        self._point = self._x[None]  # the point as a row, which is not handed out
        self._read = self._x.view()
        self._read.flags.writeable = False

    @property
    def size(self) -> int:
        return self._dim

    @property
    def x(self) -> np.ndarray:
        """The point itself, shape (d,). It is read-only."""
        return self._read

    def flat(self) -> np.ndarray:
        return self._x.copy()

    def add(self, scale: float, direction: Direction) -> None:
        if type(direction) is Noise:
            for view, index in self._views:
                noise.accumulate_one(view, scale, direction.law, direction.seed, index)
            return
        if self._is_whole(direction):
            self._x += scale * direction.vector
            return
        for block in self.blocks:
            terms = [(scale * w, p) for w, p in terms_of(direction, block)]
            if terms:
                add_terms(self._x[block.span], terms, block, 0)

    def shrink(self, factor: float, blocks: frozenset[int] | None = None) -> None:
        for block in self.blocks:
            if blocks is None or block.index in blocks:
                self._x[block.span] *= factor

    def flush(self) -> None:
        """Do nothing: moves are written at once."""

    @contextmanager
    def returning(self) -> Iterator[None]:
        stored = self._x.copy()
        try:
            yield
        finally:
            self._x[:] = stored

    def dense(self, direction: Direction, block: VectorBlock) -> np.ndarray:
        out = np.zeros(block.size)
        add_terms(out, list(terms_of(direction, block)), block, 0)
        return out

    def update(self, block: VectorBlock, delta: np.ndarray) -> None:
        self._x[block.span] += delta

    def rows(self, probes: Sequence[Probe]) -> np.ndarray:
        """Return the probed points.

        Args:
            probes: n pairs (scale, direction).

        Returns:
            A new array of shape (n, d), which the caller may write to.
        """
        count = len(probes)
        # Cheap objectives are called with one probe or with a pair: these cases come first.
        if count == 1:
            ((scale, direction),) = probes
            if not scale:
                return self._point.copy()
            if type(direction) is Noise:
                return self._one(scale, direction)
        elif count == 2:
            (scale, direction), (other_scale, other) = probes
            if direction is other and type(direction) is Noise:
                points = np.empty((2, self._dim))
                law, seed = direction.law, direction.seed
                noise.pair(points, self._x, scale, other_scale, law, seed, self._borders)
                return points
        points = self._point.repeat(count, 0)
        if self._noise_rows(points, probes):
            return points
        for k, (scale, direction) in enumerate(probes):
            if not scale:
                continue
            if self._is_whole(direction):
                points[k] += scale * direction.vector
                continue
            for block in self.blocks:
                terms = [(scale * w, p) for w, p in terms_of(direction, block)]
                if terms:
                    add_terms(points[k, block.span], terms, block, 0)
        return points

    def _is_whole(self, direction: Direction) -> TypeGuard[Dense]:
        """Return True for a stored vector of all coordinates, which needs no loop over blocks."""
        return type(direction) is Dense and direction.vector.shape == self._x.shape

    def _one(self, scale: float, direction: Noise) -> np.ndarray:
        """Return the point moved along plain noise, as a row."""
        points = self._point.copy()
        row, law, seed = points[0], direction.law, direction.seed
        if len(self.blocks) == 1:  # a slice would cost as much as the noise of ten coordinates
            noise.accumulate_one(row, scale, law, seed, 0)
            return points
        for block in self.blocks:
            noise.accumulate_one(row[block.span], scale, law, seed, block.index)
        return points

    def _noise_rows(self, points: np.ndarray, probes: Sequence[Probe]) -> bool:
        """Fill the rows in one pass if every probe is along plain noise of one law."""
        law: str = getattr(probes[0][1], "law", "")
        seeds = [d.seed for _, d in probes if type(d) is Noise and d.law == law]
        if len(seeds) < len(probes):
            return False
        scales = [scale for scale, _ in probes]
        for block in self.blocks:
            noise.rows(points[:, block.span], scales, law, seeds, block.index)
        return True
