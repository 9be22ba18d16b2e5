"""Two perturbed copies of weights in one pass on the CPU, with the moves that the weights wait for.

Chunk by chunk, while the part is in the first caches: the weights move, the direction of the probes
is drawn once, and both copies are written.

    weight --moves--> weight --+ up z--> plus
                             --+ down z--> minus
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from zobench.core.noise.compiled import (
    ask,
    carray,
    fma,
    inlined,
    kernel,
    pointer_f32,
    pointer_f64,
    pointer_i64,
    pointer_u16,
    room,
    take,
    within,
)
from zobench.core.noise.draw import (
    BITS_CHUNK,
    BUFFER,
    BYTES_CHUNK,
    CHUNK,
    HADAMARD,
    LANES,
    RADEMACHER,
    F,
    U,
    W,
    draw,
    elements_of,
    fill,
    words_room,
)
from zobench.core.noise.elements import load, save, summed
from zobench.core.noise.hadamard import AHEAD, N1, N2, N3, N4, SEGMENT, add_lanes, of_words
from zobench.core.noise.layout import BFLOAT16

HEAD = 15  # numbers of a job
sums_room = room(types.float32, BITS_CHUNK)  # of the largest chunk: 128 KiB


@within
def copy_one(
    weight: np.ndarray, plus: np.ndarray, minus: np.ndarray, k: Any, u: Any, d: Any, z: Any
) -> None:
    """Set plus[k] = weight[k] + u z and minus[k] = weight[k] + d z."""
    x, y = load(weight, k), summed(weight, z)
    save(plus, k, fma(u, y, x))
    save(minus, k, fma(d, y, x))


@inlined
def copy_part(
    weight: np.ndarray, plus: np.ndarray, minus: np.ndarray, offset: int, words: np.ndarray,
    law: int, up: float, down: float, first: int, last: int,
) -> None:  # fmt: skip
    """Set both copies of elements first to last of a chunk, whose values are in `words`."""
    u, d = summed(weight, up), summed(weight, down)
    if law == RADEMACHER:
        for bit in range(first // CHUNK, (last - 1) // CHUNK + 1):
            base = bit * CHUNK
            skip = U(offset + base - first)  # wraps below 0; the sum with r does not
            for r in range(U(max(first - base, 0)), U(min(last - base, CHUNK))):
                z = F(1) if (words[r] >> W(bit)) & W(1) else F(-1)
                copy_one(weight, plus, minus, skip + r, u, d, z)
    else:
        for k in range(U(last - first)):
            z = W(words[U(first) + k]).view(F)
            copy_one(weight, plus, minus, U(offset) + k, u, d, z)


@within
def copy_four(
    weight: np.ndarray, plus: np.ndarray, minus: np.ndarray, k: Any, u: Any, d: Any, z: Any
) -> None:
    """Set both copies of four elements, a row apart."""
    copy_one(weight, plus, minus, k, u, d, z[0])
    copy_one(weight, plus, minus, k + N1, u, d, z[1])
    copy_one(weight, plus, minus, k + N2, u, d, z[2])
    copy_one(weight, plus, minus, k + N3, u, d, z[3])


@inlined
def move_chunk(
    weight: np.ndarray, plus: np.ndarray, minus: np.ndarray, offset: int, words: np.ndarray,
    scale: float,
) -> None:  # fmt: skip
    """Add scale z of a whole chunk of hadamard, given its words, to the weights.

    Ask meanwhile for the memory of the copies of this chunk, and of the weights of the next one.
    """
    a, lanes = summed(weight, scale), SEGMENT // weight.itemsize
    size, skip = BYTES_CHUNK * weight.itemsize, offset * weight.itemsize
    at, up, down = weight.ctypes.data + skip, plus.ctypes.data + skip, minus.ctypes.data + skip
    part = lanes * size // LANES
    for begin in range(0, LANES, lanes):
        first = begin * size // LANES
        ask(at + AHEAD * size + first, part)
        ask(up + first, part)
        ask(down + first, part)
        add_lanes(weight, offset, words, a, begin, begin + lanes)


@inlined
def copy_chunk(
    weight: np.ndarray, plus: np.ndarray, minus: np.ndarray, offset: int, words: np.ndarray,
    up: float, down: float, alone: bool,
) -> None:  # fmt: skip
    """Set both copies of a whole chunk of hadamard, given its words.

    `alone`: the weights do not move. Then ask meanwhile for the memory of the next chunk.
    """
    u, d = summed(weight, up), summed(weight, down)
    lanes, size = SEGMENT // weight.itemsize, BYTES_CHUNK * weight.itemsize
    skip, part = offset * weight.itemsize + AHEAD * size, lanes * size // LANES
    for begin in range(0, LANES, lanes):
        if alone:
            first = skip + begin * size // LANES
            ask(weight.ctypes.data + first, part)
            ask(plus.ctypes.data + first, part)
            ask(minus.ctypes.data + first, part)
        for i in range(U(begin), U(begin + lanes)):
            first_four, second, third, fourth = of_words(words, i)
            k = U(offset) + i
            copy_four(weight, plus, minus, k, u, d, first_four)
            copy_four(weight, plus, minus, k + N4, u, d, second)
            copy_four(weight, plus, minus, k + N4 + N4, u, d, third)
            copy_four(weight, plus, minus, k + N4 + N4 + N4, u, d, fourth)


@inlined
def move_part(
    weight: np.ndarray, sums: np.ndarray, offset: int, words: np.ndarray, law: int,
    scales: np.ndarray, seeds: np.ndarray, terms: int, block: int, stream: int, chunk: int,
    first: int, last: int,
) -> None:  # fmt: skip
    """Add `terms` terms to a part of a chunk, rounded once where elements have 16 bits."""
    if weight.itemsize == 2 and terms > 1:
        for k in range(U(last - first)):
            sums[k] = load(weight, U(offset) + k)
        for k in range(terms):
            draw(sums, 0, words, law, scales[k], seeds[k], block, stream, chunk, first, last)
        for k in range(U(last - first)):
            save(weight, U(offset) + k, sums[k])
    else:
        for k in range(terms):
            draw(weight, offset, words, law, scales[k], seeds[k], block, stream, chunk, first, last)


@inlined
def copies(
    weight: np.ndarray, plus: np.ndarray, minus: np.ndarray, start: int, block: int, stream: int,
    law: int, terms: int, scales: np.ndarray, seeds: np.ndarray,
) -> None:  # fmt: skip
    """Move the weights by the first terms, and set both copies by the last seed and two scales."""
    words, size = carray(words_room(), BUFFER), elements_of(law)
    sums = carray(sums_room(), BITS_CHUNK)
    up, down, seed = scales[terms], scales[terms + 1], seeds[terms]
    at, stop = start, start + weight.size
    while at < stop:
        chunk, first, offset = at // size, at % size, at - start
        last = min(size, first + stop - at)
        whole = law == HADAMARD and last - first == BYTES_CHUNK
        if whole and terms == 1:
            fill(words, law, seeds[0], block, stream, chunk, first, last, False)
            move_chunk(weight, plus, minus, offset, words, scales[0])
        else:
            move_part(
                weight, sums, offset, words, law, scales, seeds, terms, block, stream, chunk,
                first, last,
            )  # fmt: skip
        fill(words, law, seed, block, stream, chunk, first, last, not whole)
        if whole:
            copy_chunk(weight, plus, minus, offset, words, up, down, terms == 0)
        else:
            copy_part(weight, plus, minus, offset, words, law, up, down, first, last)
        at += last - first


@kernel
def share(job: int) -> None:
    """Make two copies of parts of weights; each thread that is called takes the next part.

    `job` is the address of int64 numbers:

        index     0          1      2     3       4     5      6         7      8
        number    next part  parts  kind  weight  plus  minus  elements  start  elements of a part

        index     9      10      11   12     13      14
        number    block  stream  law  terms  scales  seeds

    with addresses of the arrays, of the scales (float64: of the terms, of plus and of minus) and of
    the seeds (int64: of the terms and of the copies). Parts start at multiples of their size. The
    kind is FLOAT32 or BFLOAT16.
    """
    numbers = pointer_i64(job)
    head = carray(numbers, HEAD)
    count, kind, size, start, step = head[1], head[2], head[6], head[7], head[8]
    block, stream, law, terms = head[9], head[10], head[11], head[12]
    scales, seeds = (
        carray(pointer_f64(head[13]), terms + 2),
        carray(pointer_i64(head[14]), terms + 1),
    )
    stop, base = start + size, start // step
    k = take(numbers)
    while k < count:
        first, last = max(start, (base + k) * step), min(stop, (base + k + 1) * step)
        a, n = first - start, last - first
        if kind == BFLOAT16:
            copies(
                carray(pointer_u16(head[3] + 2 * a), n), carray(pointer_u16(head[4] + 2 * a), n),
                carray(pointer_u16(head[5] + 2 * a), n), first, block, stream, law, terms, scales,
                seeds,
            )  # fmt: skip
        else:
            copies(
                carray(pointer_f32(head[3] + 4 * a), n), carray(pointer_f32(head[4] + 4 * a), n),
                carray(pointer_f32(head[5] + 4 * a), n), first, block, stream, law, terms, scales,
                seeds,
            )  # fmt: skip
        k = take(numbers)
