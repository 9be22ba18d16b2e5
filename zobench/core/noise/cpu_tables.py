"""Noise on the CPU for some rows of a table, such as those that an embedding looks up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zobench.core.noise.compiled import (
    carray,
    elements_of_array,
    inlined,
    kernel,
    pointer_f32,
    pointer_f64,
    pointer_i64,
)
from zobench.core.noise.draw import BUFFER, add, elements_of, fill, words_room
from zobench.core.noise.layout import FLOAT64

HEAD = 9  # numbers of a job before the scales


@inlined
def accumulate_all_rows(
    out: np.ndarray, places: Sequence[int] | np.ndarray, words: Any,
    scales: Sequence[float] | np.ndarray, law: int, seeds: Sequence[int] | np.ndarray, block: int,
    stream: int,
) -> None:  # fmt: skip
    """Add row places[r] of the noise to out[r]; neighbours in `out` share the draw of a chunk."""
    size = elements_of(law)
    count, width = out.shape
    for k in range(len(seeds)):
        whole = -1  # the chunk that `words` holds all of
        for r in range(count):
            begin = at = places[r] * width
            while at < begin + width:
                chunk, first = at // size, at % size
                last = min(size, first + begin + width - at)
                if chunk != whole:
                    shared = r + 1 < count and places[r + 1] * width // size == chunk
                    low, high = (0, size) if shared else (first, last)
                    fill(words, law, seeds[k], block, stream, chunk, low, high, True)
                    whole = chunk if shared else -1
                add(out[r], at - begin, words, law, scales[k], first, last)
                at += last - first


@kernel
def accumulate_rows(job: int) -> None:
    """Add the noise of all terms to rows of a table.

    `job` is the address of int64 numbers:

        index     0     1    2      3      4       5      6    7      8
        number    kind  out  count  width  places  terms  law  block  stream

    and then the scales (float64) and the seeds. `out` and `places` (int64) are the `id` of
    contiguous arrays. The kind is FLOAT32 or FLOAT64.
    """
    kind, array, count, width, places_id, terms, law, block, stream = carray(pointer_i64(job), HEAD)
    scales = carray(pointer_f64(job + 8 * HEAD), terms)
    seeds = carray(pointer_i64(job + 8 * (HEAD + terms)), terms)
    at, shape = elements_of_array(array), (count, width)
    places = carray(pointer_i64(elements_of_array(places_id)), count)
    words = carray(words_room(), BUFFER)
    if kind == FLOAT64:
        out = carray(pointer_f64(at), shape)
        accumulate_all_rows(out, places, words, scales, law, seeds, block, stream)
    else:
        narrow = carray(pointer_f32(at), shape)
        accumulate_all_rows(narrow, places, words, scales, law, seeds, block, stream)
