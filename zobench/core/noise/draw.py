"""Noise on the CPU: the parts of which kernels are made, compiled into each of them.

A kernel works chunk by chunk (see `layout`): Philox words go to a 4 KiB buffer that stays in the
first cache, become values in place, and are added to the output.

    philox(seed, block, stream, chunk) -> words[1024] --normals--> values[1024] --add--> out

For hadamard, values are four times as many as words, so the buffer has room for 4096. Whole chunks
of float32 and of 16 bits need no values there (see `hadamard`).

Loops are written for the vectoriser: unsigned indices (a signed one may wrap), no call, no branch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import types

from zobench.core.noise import layout
from zobench.core.noise.compiled import carray, fma, inlined, room
from zobench.core.noise.elements import load, save, summed
from zobench.core.noise.hadamard import add_chunk, expand

GAUSSIAN, RADEMACHER, UNIFORM = layout.GAUSSIAN, layout.RADEMACHER, layout.UNIFORM
HADAMARD, BYTE_KEY = layout.HADAMARD, layout.BYTE_KEY
LANES, CHUNK, BITS_CHUNK, ROUNDS = layout.LANES, layout.CHUNK, layout.BITS_CHUNK, layout.ROUNDS
BUFFER = BYTES_CHUNK = layout.BYTES_CHUNK
F, I, U, W = np.float32, np.int32, np.uint64, np.uint32  # noqa: E741
M0, M1, W0, W1 = U(layout.M0), U(layout.M1), U(layout.W0), U(layout.W1)
LOW, HALF = U(0xFFFFFFFF), U(32)
N1, N2, N3 = U(LANES), U(2 * LANES), U(3 * LANES)
STEP = F(2.0**-24)
words_room = room(types.uint32, BUFFER)


@inlined
def philox(
    words: np.ndarray, seed: int, block: int, stream: int, chunk: int, low: int, high: int
) -> None:
    """Set words[j * LANES + i] of a chunk, for lanes low <= i < high and the four words j."""
    first = U(chunk) * U(LANES)
    for i in range(U(low), U(high)):
        c0, c1, c2, c3 = (first & LOW) + i, first >> HALF, U(block) & LOW, U(stream) & LOW
        k0, k1 = U(seed) & LOW, U(seed) >> HALF
        for _ in range(ROUNDS):
            p0, p1 = M0 * c0, M1 * c2
            c0, c1 = (p1 >> HALF) ^ c1 ^ k0, p1 & LOW
            c2, c3 = (p0 >> HALF) ^ c3 ^ k1, p0 & LOW
            k0, k1 = (k0 + W0) & LOW, (k1 + W1) & LOW
        words[i], words[i + N1], words[i + N2], words[i + N3] = W(c0), W(c1), W(c2), W(c3)


@inlined
def normals(words: np.ndarray, low: int, high: int) -> None:
    """Turn words i and i + LANES into the bits of two float32 normals, by Box-Muller, in place.

    Polynomials have the least maximum error on their interval (relative for the logarithm, 3e-8;
    absolute for sine and cosine, 4e-9). A normal is within 5e-6 of the exact one, at any radius.
    """
    for i in range(U(low), U(high)):
        # log u = e log 2 + log(1 + f), 1 + f in [sqrt(1/2), sqrt(2)): accurate also next to u = 1
        u = (F(I(words[i] >> W(8))) + F(0.5)) * STEP
        bits = I(F(u).view(I))
        e = I((bits - I(0x3F3504F3)) >> I(23))
        f = I(bits - (e << I(23))).view(F) - F(1)
        p = fma(F(0.08734845), f, F(-0.14307523))
        p = fma(p, f, F(0.14917973))
        p = fma(p, f, F(-0.16570508))
        p = fma(p, f, F(0.19962072))
        p = fma(p, f, F(-0.25001755))
        p = fma(p, f, F(0.33333950))
        p = fma(p, f, F(-0.49999992))
        radius = F(math.sqrt(F(-2) * fma(F(e), F(0.69314718), fma(p, f * f, f))))
        # sine and cosine of pi t, |t| <= 1/2, then of twice the angle
        t = fma(F(I(words[i + N1] >> W(8))), STEP, F(-0.5))
        y = t * t
        s = fma(F(0.07722013), y, F(-0.59804517))
        s = fma(s, y, F(2.55003138))
        s = fma(s, y, F(-5.16770688))
        s = t * fma(s, y, F(3.14159258))
        c = fma(F(-0.0244207), y, F(0.23495393))
        c = fma(c, y, F(-1.33521611))
        c = fma(c, y, F(4.0587096))
        c = fma(c, y, F(-4.93480216))
        c = fma(c, y, F(1))
        words[i] = F(radius * fma(F(-2) * s, s, F(1))).view(W)
        words[i + N1] = F(radius * (F(2) * s * c)).view(W)


@inlined
def elements_of(law: int) -> int:
    """Return the number of elements of a chunk."""
    if law == RADEMACHER:
        return BITS_CHUNK
    return BYTES_CHUNK if law == HADAMARD else CHUNK


@inlined
def key_of(law: int, seed: int) -> Any:
    """Return the key of Philox for a law and a seed."""
    return U(seed) | (U(BYTE_KEY) << HALF if law == HADAMARD else U(0))


@inlined
def fill(
    words: np.ndarray,
    law: int,
    seed: int,
    block: int,
    stream: int,
    chunk: int,
    first: int,
    last: int,
    finished: bool,
) -> None:
    """Make elements first to last of a chunk: bits of values, or for Rademacher the plain words.

    Not `finished`: the plain words for any law.
    """
    low, high = 0, LANES
    if first % LANES + last - first <= LANES:  # within one row: only its lanes, in whole vectors
        low = first % LANES // 8 * 8
        high = min(LANES, (first % LANES + last - first + 7) // 8 * 8)
    philox(words, key_of(law, seed), block, stream, chunk, low, high)
    if not finished:
        return
    if law == GAUSSIAN:
        if first < 2 * LANES:
            normals(words, low, high)
        if last > 2 * LANES:
            normals(words, 2 * LANES + low, 2 * LANES + high)
    elif law == HADAMARD:
        expand(words, low, high)
    elif law == UNIFORM:
        for r in range(U(first), U(last)):
            words[r] = F(F(I(words[r] >> W(8))) * STEP).view(W)


@inlined
def add(
    out: np.ndarray, offset: int, words: np.ndarray, law: int, scale: float, first: int, last: int
) -> None:
    """Add scale * element first + k, of the chunk in `words`, to each out[offset + k]."""
    a = summed(out, scale)
    if law == RADEMACHER:
        for bit in range(first // CHUNK, (last - 1) // CHUNK + 1):
            base = bit * CHUNK
            skip = U(offset + base - first)  # wraps below 0; the sum with r does not
            for r in range(U(max(first - base, 0)), U(min(last - base, CHUNK))):
                up = (words[r] >> W(bit)) & W(1)
                save(out, skip + r, load(out, skip + r) + (a if up else -a))
    else:
        for k in range(U(last - first)):
            z = W(words[U(first) + k]).view(F)
            save(out, U(offset) + k, fma(a, summed(out, z), load(out, U(offset) + k)))


@inlined
def draw(
    out: np.ndarray, offset: int, words: np.ndarray, law: int, scale: float, seed: int,
    block: int, stream: int, chunk: int, first: int, last: int,
) -> None:  # fmt: skip
    """Add scale * element first + k of a chunk to each out[offset + k]; `words`: room for them."""
    fused = law == HADAMARD and last - first == BYTES_CHUNK and out.itemsize < 8
    fill(words, law, seed, block, stream, chunk, first, last, not fused)
    if fused:
        add_chunk(out, offset, words, scale)
    else:
        add(out, offset, words, law, scale, first, last)


@inlined
def accumulate_all(
    out: np.ndarray, scales: Sequence[float] | np.ndarray, law: int,
    seeds: Sequence[int] | np.ndarray, block: int, stream: int, start: int,
) -> None:  # fmt: skip
    """Add the noise of all terms to `out`, chunk by chunk."""
    words = carray(words_room(), BUFFER)
    size = elements_of(law)
    at, stop = start, start + out.size
    while at < stop:
        chunk, first = at // size, at % size
        last = min(size, first + stop - at)
        for k in range(len(seeds)):  # all terms while this part of `out` is in the cache
            draw(
                out, at - start, words, law, scales[k], seeds[k], block, stream, chunk, first, last
            )
        at += last - first
