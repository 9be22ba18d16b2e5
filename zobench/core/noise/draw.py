"""Noise on the CPU: the parts of which kernels are made, compiled into each of them.

A kernel works chunk by chunk (see `layout`): Philox words go to a 4 KiB buffer that stays in the
first cache, become values in place, and are added to the output.

    philox(seed, block, stream, chunk) -> words[1024] --normals--> values[1024] --add--> out

Loops are written for the vectoriser: unsigned indices (a signed one may wrap), no call, no branch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from zobench.core.noise import layout
from zobench.core.noise.compiled import fma, inlined

GAUSSIAN, RADEMACHER, UNIFORM = layout.GAUSSIAN, layout.RADEMACHER, layout.UNIFORM
LANES, CHUNK, BITS_CHUNK, ROUNDS = layout.LANES, layout.CHUNK, layout.BITS_CHUNK, layout.ROUNDS
F, I, U, W = np.float32, np.int32, np.uint64, np.uint32  # noqa: E741
M0, M1, W0, W1 = U(layout.M0), U(layout.M1), U(layout.W0), U(layout.W1)
LOW, HALF = U(0xFFFFFFFF), U(32)
N1, N2, N3 = U(LANES), U(2 * LANES), U(3 * LANES)
STEP = F(2.0**-24)


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
def fill(
    words: np.ndarray,
    law: int,
    seed: int,
    block: int,
    stream: int,
    chunk: int,
    first: int,
    last: int,
) -> None:
    """Make elements first to last of a chunk: bits of values, or for Rademacher the plain words."""
    low, high = 0, LANES
    if first % LANES + last - first <= LANES:  # within one row: only its lanes, in whole vectors
        low = first % LANES // 8 * 8
        high = min(LANES, (first % LANES + last - first + 7) // 8 * 8)
    philox(words, seed, block, stream, chunk, low, high)
    if law == GAUSSIAN:
        if first < 2 * LANES:
            normals(words, low, high)
        if last > 2 * LANES:
            normals(words, 2 * LANES + low, 2 * LANES + high)
    elif law == UNIFORM:
        for r in range(U(first), U(last)):
            words[r] = F(F(I(words[r] >> W(8))) * STEP).view(W)


@inlined
def add(
    out: np.ndarray, offset: int, words: np.ndarray, law: int, scale: float, first: int, last: int
) -> None:
    """Add scale * element first + k, of the chunk in `words`, to each out[offset + k]."""
    a = out.dtype.type(scale)
    if law == RADEMACHER:
        for bit in range(first // CHUNK, (last - 1) // CHUNK + 1):
            base = bit * CHUNK
            skip = U(offset + base - first)  # wraps below 0; the sum with r does not
            for r in range(U(max(first - base, 0)), U(min(last - base, CHUNK))):
                out[skip + r] += a if (words[r] >> W(bit)) & W(1) else -a
    else:
        for k in range(U(last - first)):
            z = W(words[U(first) + k]).view(F)
            out[U(offset) + k] = fma(a, out.dtype.type(z), out[U(offset) + k])


@inlined
def accumulate_all(
    out: np.ndarray, scales: Sequence[float] | np.ndarray, law: int,
    seeds: Sequence[int] | np.ndarray, block: int, stream: int, start: int,
) -> None:  # fmt: skip
    """Add the noise of all terms to `out`, chunk by chunk."""
    words = np.empty(CHUNK, np.uint32)
    size = BITS_CHUNK if law == RADEMACHER else CHUNK
    at, stop = start, start + out.size
    while at < stop:
        chunk, first = at // size, at % size
        last = min(size, first + stop - at)
        for k in range(len(seeds)):  # all terms while this part of `out` is in the cache
            fill(words, law, seeds[k], block, stream, chunk, first, last)
            add(out, at - start, words, law, scales[k], first, last)
        at += last - first
