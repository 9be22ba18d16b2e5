"""Noise on the CPU for 16-bit weights: bits are read, moved and rounded in one loop.

Sums are made in float32 and rounded once. One term of bfloat16 is added where it is drawn; float16,
several terms and stochastic rounding have a buffer for the sums of a chunk.
"""

from __future__ import annotations

import numpy as np
from numba import types

from zobench.core.noise.compiled import (
    carray,
    inlined,
    kernel,
    pointer_f64,
    pointer_i16,
    pointer_i64,
    pointer_u16,
    room,
    take,
)
from zobench.core.noise.cpu import HEAD, PART
from zobench.core.noise.draw import (
    BITS_CHUNK,
    BUFFER,
    CHUNK,
    LANES,
    U,
    accumulate_all,
    draw,
    elements_of,
    philox,
    words_room,
)
from zobench.core.noise.elements import load, save, save_rounded
from zobench.core.noise.layout import BFLOAT16

sums_room = room(types.float32, BITS_CHUNK)  # of the largest chunk: 128 KiB


@inlined
def accumulate_halves(
    kind: int, address: int, elements: int, scales: np.ndarray, law: int, seeds: np.ndarray,
    block: int, stream: int, start: int, stochastic_seed: int, rounding: int,
) -> None:  # fmt: skip
    """Add the noise of all terms to 16-bit elements by way of sums in float32, chunk by chunk.

    `stochastic_seed`: that of stochastic rounding, by the stream `rounding`; negative: to nearest.
    """
    brain, half = carray(pointer_u16(address), elements), carray(pointer_i16(address), elements)
    words = carray(words_room(), BUFFER)
    size = elements_of(law)
    sums = carray(sums_room(), BITS_CHUNK)
    at, stop = start, start + elements
    while at < stop:
        chunk, first = at // size, at % size
        last = min(size, first + stop - at)
        count, offset = last - first, at - start
        if kind == BFLOAT16:
            read(sums, brain, offset, count)
        else:
            read(sums, half, offset, count)
        for k in range(len(seeds)):
            draw(sums, 0, words, law, scales[k], seeds[k], block, stream, chunk, first, last)
        done = 0
        while stochastic_seed >= 0 and done < count:  # a uniform stream: chunks of CHUNK elements
            row, begin = (at + done) // CHUNK, (at + done) % CHUNK
            size_of_row = min(CHUNK - begin, count - done)
            philox(words, stochastic_seed, block, rounding, row, 0, LANES)
            if kind == BFLOAT16:
                write_rounded(brain, offset + done, sums, done, size_of_row, words, begin)
            else:
                write_rounded(half, offset + done, sums, done, size_of_row, words, begin)
            done += size_of_row
        if stochastic_seed < 0 and kind == BFLOAT16:
            write(brain, offset, sums, count)
        elif stochastic_seed < 0:
            write(half, offset, sums, count)
        at += count


@inlined
def read(sums: np.ndarray, out: np.ndarray, offset: int, count: int) -> None:
    """Set sums[k] = out[offset + k]."""
    for k in range(U(count)):
        sums[k] = load(out, U(offset) + k)


@inlined
def write(out: np.ndarray, offset: int, sums: np.ndarray, count: int) -> None:
    """Set out[offset + k] = sums[k], rounded to nearest."""
    for k in range(U(count)):
        save(out, U(offset) + k, sums[k])


@inlined
def write_rounded(
    out: np.ndarray, offset: int, sums: np.ndarray, skip: int, count: int, words: np.ndarray,
    first: int,
) -> None:  # fmt: skip
    """Set out[offset + k] = sums[skip + k], rounded by the uniform of words[first + k]."""
    for k in range(U(count)):
        save_rounded(out, U(offset) + k, sums[U(skip) + k], words[U(first) + k])


@kernel
def share(job: int) -> None:
    """Add several terms to parts of 16-bit arrays, as `cpu.share` does to parts of others."""
    numbers = pointer_i64(job)
    _, count, law, stream, terms, scales_at, seeds_at, seed, rounding = carray(numbers, HEAD)
    scales, seeds = carray(pointer_f64(scales_at), terms), carray(pointer_i64(seeds_at), terms)
    k = take(numbers)
    while k < count:
        kind, at, size, block, start = carray(pointer_i64(job + 8 * (HEAD + PART * k)), PART)
        if kind == BFLOAT16 and terms == 1 and seed < 0:
            accumulate_all(carray(pointer_u16(at), size), scales, law, seeds, block, stream, start)
        else:
            accumulate_halves(
                kind, at, size, scales, law, seeds, block, stream, start, seed, rounding
            )
        k = take(numbers)
