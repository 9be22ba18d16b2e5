"""Params over one float64 vector: probes become rows of a matrix, many at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zobench.core.directions import Direction, Noise, Probe, add_terms
from zobench.core.noise import interface as noise
from zobench.core.params import Group, Params


@dataclass(frozen=True)
class VectorBlock:
    """A slice of the vector with a shape of its own."""

    index: int
    name: str
    shape: tuple[int, ...]
    start: int

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def span(self) -> slice:
        return slice(self.start, self.start + self.size)


class VectorParams(Params):
    """A vector x of shape (d,), seen as blocks of the given shapes; each block is a group."""

    ops = np

    def __init__(self, x: np.ndarray, shapes: Sequence[tuple[int, ...]] = ()) -> None:
        """Copies x. Raises ValueError unless the shapes fill it exactly."""
        self._x = np.array(x, dtype=np.float64)
        blocks, start = [], 0
        for index, shape in enumerate(shapes or [self._x.shape]):
            blocks.append(VectorBlock(index, f"x{index}", tuple(shape), start))
            start += blocks[-1].size
        if start != self._x.size or self._x.ndim != 1:
            raise ValueError(f"shapes {shapes} hold {start} coordinates, x has shape {x.shape}")
        self.blocks: Sequence[VectorBlock] = tuple(blocks)
        self.groups = tuple(Group(b.name, frozenset([b.index])) for b in blocks)
        self._dim = start
        self._borders = np.array([*(b.start for b in blocks), start])
        self._views = [(self._x[b.span], b.index) for b in blocks]
        self._point = self._x[None]  # the point as a row, which no one else gets
        self._read = self._x.view()
        self._read.flags.writeable = False

    @property
    def size(self) -> int:
        return self._dim

    @property
    def x(self) -> np.ndarray:
        """The point itself, shape (d,), to be read: it cannot be written to."""
        return self._read

    def flat(self) -> np.ndarray:
        return self._x.copy()

    def add(self, scale: float, direction: Direction) -> None:
        if type(direction) is Noise:
            for view, index in self._views:
                noise.accumulate_one(view, scale, direction.law, direction.seed, index)
            return
        for block in self.blocks:
            terms = [(scale * w, p) for w, p in direction.expand(block)]
            if terms:
                add_terms(self._x[block.span], terms, block, 0)

    def shrink(self, factor: float, blocks: frozenset[int] | None = None) -> None:
        for block in self.blocks:
            if blocks is None or block.index in blocks:
                self._x[block.span] *= factor

    def flush(self) -> None:
        """Nothing to do: moves are written at once."""

    def dense(self, direction: Direction, block: VectorBlock) -> np.ndarray:
        out = np.zeros(block.size)
        add_terms(out, list(direction.expand(block)), block, 0)
        return out

    def update(self, block: VectorBlock, delta: np.ndarray) -> None:
        self._x[block.span] += delta

    def rows(self, probes: Sequence[Probe]) -> np.ndarray:
        """The probed points, shape (len(probes), d): a new array, the caller's to write to."""
        count = len(probes)
        # One probe a call and a pair are the calls of cheap objectives: they are told apart first.
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
            for block in self.blocks if scale else ():
                terms = [(scale * w, p) for w, p in direction.expand(block)]
                if terms:
                    add_terms(points[k, block.span], terms, block, 0)
        return points

    def _one(self, scale: float, direction: Noise) -> np.ndarray:
        """The point moved along plain noise, as a row."""
        points = self._point.copy()
        row, law, seed = points[0], direction.law, direction.seed
        if len(self.blocks) == 1:  # a slice would cost as much as the noise of ten coordinates
            noise.accumulate_one(row, scale, law, seed, 0)
            return points
        for block in self.blocks:
            noise.accumulate_one(row[block.span], scale, law, seed, block.index)
        return points

    def _noise_rows(self, points: np.ndarray, probes: Sequence[Probe]) -> bool:
        """The common case in one call: every probe along plain noise of one law."""
        plain = [direction for _, direction in probes if type(direction) is Noise]
        if len(plain) < len(probes) or len({direction.law for direction in plain}) != 1:
            return False
        scales, seeds = [scale for scale, _ in probes], [direction.seed for direction in plain]
        for block in self.blocks:
            noise.rows(points[:, block.span], scales, plain[0].law, seeds, block.index)
        return True
