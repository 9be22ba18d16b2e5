"""Noise on the CPU for the probes of a vector, one point per row (see `draw`)."""

from __future__ import annotations

import numpy as np

from zobench.core.noise.compiled import compiled
from zobench.core.noise.draw import BUFFER, add, elements_of, fill

_MANY = "float64[::1], int64, int64[::1], int64, int64, int64)"


@compiled(f"void(float64[:, ::1], {_MANY}", f"void(float64[:, :], {_MANY}")
def rows(
    points: np.ndarray,
    scales: np.ndarray,
    law: int,
    seeds: np.ndarray,
    block: int,
    stream: int,
    start: int,
) -> None:
    """Add scales[k] * z(seeds[k])[start + i] to points[k, i]; equal seeds in a row share a draw."""
    words = np.empty(BUFFER, np.uint32)
    size = elements_of(law)
    at, stop = start, start + points.shape[1]
    while at < stop:
        chunk, first = at // size, at % size
        last = min(size, first + stop - at)
        for k in range(points.shape[0]):
            if k == 0 or seeds[k] != seeds[k - 1]:
                fill(words, law, seeds[k], block, stream, chunk, first, last, True)
            add(points[k], at - start, words, law, scales[k], first, last)
        at += last - first


@compiled("void(float64[:, ::1], float64[::1], float64, float64, int64, int64, int64[::1], int64)")
def pair(
    points: np.ndarray, x: np.ndarray, plus: float, minus: float, law: int, seed: int,
    borders: np.ndarray, stream: int,
) -> None:  # fmt: skip
    """Set points[0] = x + plus z and points[1] = x + minus z, with one draw of z for both.

    Block b is x[borders[b] : borders[b + 1]].
    """
    words = np.empty(BUFFER, np.uint32)
    size = elements_of(law)
    for i in range(x.size):
        points[0, i] = points[1, i] = x[i]
    for block in range(borders.size - 1):
        at, stop = 0, borders[block + 1] - borders[block]
        while at < stop:
            chunk, first = at // size, at % size
            last = min(size, first + stop - at)
            fill(words, law, seed, block, stream, chunk, first, last, True)
            offset = borders[block] + at
            add(points[0], offset, words, law, plus, first, last)
            add(points[1], offset, words, law, minus, first, last)
            at += last - first
