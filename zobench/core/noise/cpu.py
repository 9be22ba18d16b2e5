"""Noise on the CPU: fused numba kernels that add s * z(seed) to an array in one pass.

A kernel works chunk by chunk (see layout): Philox words go to a 4 KiB buffer that stays in the
first cache, become values in place, and are added to the output. Loops are written for the
vectoriser: unsigned indices (a signed one may wrap), no call, no branch. Importing this module
compiles or loads the kernels; `interface` does so at first use. All kernels stay in one file,
because numba renews a cached kernel when its own file changes, not when one it calls does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from zobench.core.noise import layout
from zobench.core.noise.compiled import compiled, fma, inlined

GAUSSIAN, RADEMACHER, UNIFORM = layout.GAUSSIAN, layout.RADEMACHER, layout.UNIFORM
LANES, CHUNK, BITS_CHUNK, ROUNDS = layout.LANES, layout.CHUNK, layout.BITS_CHUNK, layout.ROUNDS
F, I, U, W = np.float32, np.int32, np.uint64, np.uint32  # noqa: E741
M0, M1, W0, W1 = U(layout.M0), U(layout.M1), U(layout.W0), U(layout.W1)
LOW, HALF = U(0xFFFFFFFF), U(32)
Array = np.ndarray
N1, N2, N3 = U(LANES), U(2 * LANES), U(3 * LANES)
STEP = F(2.0**-24)


@inlined
def _philox(
    words: Array, seed: int, block: int, stream: int, chunk: int, low: int, high: int
) -> None:
    """words[j * LANES + i] for lanes low <= i < high and the four words j of a chunk's counters."""
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
def _normals(words: Array, low: int, high: int) -> None:
    """Box-Muller in place: words of rows i and i + LANES become the bits of two float32 normals.

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
def _fill(
    words: Array, law: int, seed: int, block: int, stream: int, chunk: int, first: int, last: int
) -> None:
    """Make elements first to last of a chunk: value bits, or for Rademacher the plain words."""
    low, high = 0, LANES
    if first % LANES + last - first <= LANES:  # within one row: only its lanes, in whole vectors
        low = first % LANES // 8 * 8
        high = min(LANES, (first % LANES + last - first + 7) // 8 * 8)
    _philox(words, seed, block, stream, chunk, low, high)
    if law == GAUSSIAN:
        if first < 2 * LANES:
            _normals(words, low, high)
        if last > 2 * LANES:
            _normals(words, 2 * LANES + low, 2 * LANES + high)
    elif law == UNIFORM:
        for r in range(U(first), U(last)):
            words[r] = F(F(I(words[r] >> W(8))) * STEP).view(W)


@inlined
def _add(
    out: Array, offset: int, words: Array, law: int, scale: float, first: int, last: int
) -> None:
    """out[offset + k] += scale * element first + k of the chunk that `words` holds."""
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
def _accumulate(
    out: Array, scales: Sequence[float] | Array, law: int, seeds: Sequence[int] | Array,
    block: int, stream: int, start: int,
) -> None:  # fmt: skip
    words = np.empty(CHUNK, np.uint32)
    size = BITS_CHUNK if law == RADEMACHER else CHUNK
    at, stop = start, start + out.size
    while at < stop:
        chunk, first = at // size, at % size
        last = min(size, first + stop - at)
        for k in range(len(seeds)):  # all terms while this part of `out` is in the cache
            _fill(words, law, seeds[k], block, stream, chunk, first, last)
            _add(out, at - start, words, law, scales[k], first, last)
        at += last - first


_TAIL = "int64, int64, int64)"  # block, stream, start
_ONE, _MANY = f"float64, int64, int64, {_TAIL}", f"float64[::1], int64, int64[::1], {_TAIL}"


@compiled(f"void(float32[::1], {_ONE}", f"void(float64[::1], {_ONE}")
def accumulate(
    out: Array, scale: float, law: int, seed: int, block: int, stream: int, start: int
) -> None:
    """out[k] += scale * z[start + k], z the stream (seed, block, stream) of `law`, k < out.size.

    `out` is a contiguous float32 or float64 array; sums are rounded once, in its type.
    """
    _accumulate(out, (scale,), law, (seed,), block, stream, start)


@compiled(f"void(float32[::1], {_MANY}", f"void(float64[::1], {_MANY}")
def accumulate_many(
    out: Array, scales: Array, law: int, seeds: Array, block: int, stream: int, start: int
) -> None:
    """`accumulate` for each (scales[k], seeds[k]) in turn, same bits, in one pass over `out`."""
    _accumulate(out, scales, law, seeds, block, stream, start)


@compiled(f"void(float64[:, ::1], {_MANY}", f"void(float64[:, :], {_MANY}")
def rows(
    points: Array, scales: Array, law: int, seeds: Array, block: int, stream: int, start: int
) -> None:
    """points[k, i] += scales[k] * z(seeds[k])[start + i]; equal seeds side by side share a draw."""
    words = np.empty(CHUNK, np.uint32)
    size = BITS_CHUNK if law == RADEMACHER else CHUNK
    at, stop = start, start + points.shape[1]
    while at < stop:
        chunk, first = at // size, at % size
        last = min(size, first + stop - at)
        for k in range(points.shape[0]):
            if k == 0 or seeds[k] != seeds[k - 1]:
                _fill(words, law, seeds[k], block, stream, chunk, first, last)
            _add(points[k], at - start, words, law, scales[k], first, last)
        at += last - first


_ROWS = f"int64[::1], {_MANY}"


@compiled(f"void(float32[:, ::1], {_ROWS}", f"void(float64[:, ::1], {_ROWS}")
def accumulate_rows(
    out: Array, places: Array, scales: Array, law: int, seeds: Array, block: int, stream: int,
    start: int,
) -> None:  # fmt: skip
    """out[r] += places[r]-th row of noise; neighbours in `out` share the draw of a chunk."""
    words = np.empty(CHUNK, np.uint32)
    size = BITS_CHUNK if law == RADEMACHER else CHUNK
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
                    _fill(words, law, seeds[k], block, stream, chunk, low, high)
                    whole = chunk if shared else -1
                _add(out[r], at - begin, words, law, scales[k], first, last)
                at += last - first


@compiled("void(float64[:, ::1], float64[::1], float64, float64, int64, int64, int64[::1], int64)")
def pair(
    points: Array, x: Array, plus: float, minus: float, law: int, seed: int, borders: Array,
    stream: int,
) -> None:  # fmt: skip
    """points[0] = x + plus z and points[1] = x + minus z, with one draw of z for both.

    Block b is x[borders[b] : borders[b + 1]].
    """
    words = np.empty(CHUNK, np.uint32)
    size = BITS_CHUNK if law == RADEMACHER else CHUNK
    for i in range(x.size):
        points[0, i] = points[1, i] = x[i]
    for block in range(borders.size - 1):
        at, stop = 0, borders[block + 1] - borders[block]
        while at < stop:
            chunk, first = at // size, at % size
            last = min(size, first + stop - at)
            _fill(words, law, seed, block, stream, chunk, first, last)
            place = borders[block] + at
            _add(points[0], place, words, law, plus, first, last)
            _add(points[1], place, words, law, minus, first, last)
            at += last - first
