"""Noise on the CPU for some rows of a table, such as those that an embedding looks up."""

from __future__ import annotations

import numpy as np

from zobench.core.noise.compiled import compiled
from zobench.core.noise.draw import BUFFER, add, elements_of, fill

_ROWS = "int64[::1], float64[::1], int64, int64[::1], int64, int64, int64)"


@compiled(f"void(float32[:, ::1], {_ROWS}", f"void(float64[:, ::1], {_ROWS}")
def accumulate_rows(
    out: np.ndarray, places: np.ndarray, scales: np.ndarray, law: int, seeds: np.ndarray,
    block: int, stream: int, start: int,
) -> None:  # fmt: skip
    """Add row places[r] of the noise to out[r]; neighbours in `out` share the draw of a chunk."""
    words = np.empty(BUFFER, np.uint32)
    size = elements_of(law)
    count, width = out.shape
    for k in range(len(seeds)):
        whole = -1  # the chunk that `words` holds all of
        for r in range(count):
            begin = at = start + places[r] * width
            while at < begin + width:
                chunk, first = at // size, at % size
                last = min(size, first + begin + width - at)
                if chunk != whole:
                    shared = r + 1 < count and (start + places[r + 1] * width) // size == chunk
                    low, high = (0, size) if shared else (first, last)
                    fill(words, law, seeds[k], block, stream, chunk, low, high, True)
                    whole = chunk if shared else -1
                add(out[r], at - begin, words, law, scales[k], first, last)
                at += last - first
