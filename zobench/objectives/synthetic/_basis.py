"""Bases x = Q y without matrices: the map from the coordinates of a function to the point."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch

from zobench.core.seeds import derive, fold
from zobench.errors import unknown
from zobench.objectives.synthetic._function import CHUNK, signs

SHORT = 4096  # up to this length one transform is faster than a grid


class Basis(Protocol):
    """Q of shape (dim, size) with orthonormal columns."""

    def coordinates(self, x: torch.Tensor) -> torch.Tensor:
        """Return Q' x, shape (size,); it may share memory with x or the result of the last call."""
        ...

    def point(self, y: torch.Tensor) -> torch.Tensor:
        """Return Q y, shape (dim,); it may share memory with y."""
        ...


class Identity:
    """The identity, x = y."""

    def coordinates(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def point(self, y: torch.Tensor) -> torch.Tensor:
        return y


class Subset:
    """A random subset y of the coordinates of x; no loss depends on the others."""

    def __init__(self, dim: int, size: int, seed: int) -> None:
        self.dim = dim
        index = np.random.default_rng(seed).choice(dim, size, replace=False)
        self._index = torch.from_numpy(index.astype(np.int64))

    def coordinates(self, x: torch.Tensor) -> torch.Tensor:
        return x[self._index.to(x.device)]

    def point(self, y: torch.Tensor) -> torch.Tensor:
        x = torch.zeros(self.dim, dtype=y.dtype, device=y.device)
        x[self._index.to(y.device)] = y
        return x


class Rotation:
    """The first `size` columns of Q = diag(s) R diag(t) K diag(u), orthogonal, in O(d log d).

    s, t, u are random signs. R and K act on the vector written as a grid, R along its rows and K
    along its columns, by the circulant matrix whose spectrum is random signs (Fourier transform,
    signs, inverse transform): real, symmetric and its own inverse. So every coordinate of y depends
    on every one of x, in pieces that fit a cache. A vector of at most SHORT elements, or of a prime
    number of them, is one row. With `parts`, x is cut into that number of pieces of equal length,
    and each is rotated by itself. The computation is in float32, or in float64 for float64 points.
    Memory between calls: dim numbers. Memory in a call: a chunk more.
    """

    def __init__(self, dim: int, size: int, seed: int, parts: int = 1) -> None:
        self.dim, self.size, self.parts = dim, size, parts
        self._first, self._middle, self._last, self._row, self._column = (
            fold(seed, k) for k in range(5)
        )
        width = dim // parts
        self.rows = 1 if width <= SHORT else _divisor(width)
        self.columns = width // self.rows
        self._work: torch.Tensor | None = None

    def coordinates(self, x: torch.Tensor) -> torch.Tensor:
        work = self._buffer(x)
        work.copy_(x)
        _flip(work, self._first)
        self._mix_rows(work)
        if self.rows > 1:
            _flip(work, self._middle)
            self._mix_columns(work)
        _flip(work, self._last)
        return work[: self.size]

    def point(self, y: torch.Tensor) -> torch.Tensor:
        work = self._buffer(y)
        work[: self.size].copy_(y)
        work[self.size :].zero_()
        _flip(work, self._last)
        if self.rows > 1:
            self._mix_columns(work)
            _flip(work, self._middle)
        self._mix_rows(work)
        _flip(work, self._first)
        return work.clone()

    def _buffer(self, like: torch.Tensor) -> torch.Tensor:
        kind = torch.float64 if like.dtype == torch.float64 else torch.float32
        if self._work is None or self._work.dtype != kind or self._work.device != like.device:
            self._work = torch.empty(self.dim, dtype=kind, device=like.device)
        return self._work

    def _mix_rows(self, work: torch.Tensor) -> None:
        grid = work.view(-1, self.columns)
        by = signs(self._row, 0, self.columns // 2 + 1, work)
        step = max(1, CHUNK // self.columns)
        for start in range(0, len(grid), step):
            _convolve(grid[start : start + step], by, 1)

    def _mix_columns(self, work: torch.Tensor) -> None:
        by = signs(self._column, 0, self.rows // 2 + 1, work)[:, None]
        step = max(1, CHUNK // self.rows)
        for grid in work.view(self.parts, self.rows, self.columns):
            for start in range(0, self.columns, step):
                _convolve(grid[:, start : start + step], by, 0)


def _convolve(piece: torch.Tensor, by: torch.Tensor, axis: int) -> None:
    """Multiply a piece in place, along an axis, by the circulant matrix of spectrum `by`."""
    spectrum = torch.fft.rfft(piece, dim=axis).mul_(by)
    piece.copy_(torch.fft.irfft(spectrum, n=piece.shape[axis], dim=axis))


def _divisor(width: int) -> int:
    """Return the largest divisor up to the root: the rows of the squarest grid."""
    return next(r for r in range(math.isqrt(width), 0, -1) if width % r == 0)


def _flip(values: torch.Tensor, seed: int) -> None:
    """Multiply value i by the i-th sign of the seed."""
    for start in range(0, len(values), CHUNK):
        piece = values[start : start + CHUNK]
        piece.mul_(signs(seed, start, start + len(piece), piece))


def basis_of(kind: str, dim: int, size: int, instance: int, parts: int = 1) -> Basis:
    """Return the basis of the settings `basis` ("identity", "random" or "subset") and `instance`.

    "identity" needs size = dim, "subset" size < dim. Raises BadInput on another kind.
    """
    if kind == "identity" and size == dim:
        return Identity()
    if kind == "random":
        return Rotation(dim, size, derive("rotation", instance), parts)
    if kind == "subset" and size < dim:
        return Subset(dim, size, derive("subset", instance))
    raise unknown("basis", kind, ["random", "identity" if size == dim else "subset"])
