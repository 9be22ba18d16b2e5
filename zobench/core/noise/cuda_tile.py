"""Noise on a GPU, a tile: what one program adds, with all terms in registers.

A tile is `height` chunks (see `layout`) of 256 lanes. A thread has 16 bytes of neighbouring lanes
and makes all four words of their counters, so that every load and store is 16 bytes wide and those
of a warp are contiguous; the four loads are issued before the arithmetic. Tiles are aligned, so
that the low word of a counter does not overflow within one, and 64-bit arithmetic is of scalars.

    chunk of a tile      lanes 0 .. 255   256 .. 511   512 .. 767   768 .. 1023   elements
    word of a counter    w0               w1           w2           w3
    Gaussian             radius(w0)       radius(w0)   radius(w2)   radius(w2)
                         x cos(w1)        x sin(w1)    x cos(w3)    x sin(w3)

For rademacher such a row of 1024 elements is one bit of the words, and a chunk has 32 rows. For
hadamard a chunk has 16 rows of 256 elements, all made of the four words (`cuda_hadamard`).

The numbers of the lanes are loaded (`counters`), as Triton gives a chain of operations the layout
of the load that it starts with. If they were computed, they would be spread over threads in another
way than the output, and every value would change threads through shared memory.
"""

# Triton reads these types itself and wraps plain values at calls:
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false

from __future__ import annotations

import triton
import triton.language as tl

from zobench.core.noise import interface, layout
from zobench.core.noise.cuda_draw import normals, philox, signed, uniform
from zobench.core.noise.cuda_elements import load, save
from zobench.core.noise.cuda_hadamard import BYTES_CHUNK, HADAMARD, add_bytes

GAUSSIAN = tl.constexpr(layout.GAUSSIAN)
RADEMACHER = tl.constexpr(layout.RADEMACHER)
LANES, CHUNK = tl.constexpr(layout.LANES), tl.constexpr(layout.CHUNK)
BITS_CHUNK = tl.constexpr(layout.BITS_CHUNK)
ROUNDING = tl.constexpr(interface.ROUNDING)


@triton.jit
def _add_values(x0, x1, x2, x3, scale, seed, low, high, block, stream, law: tl.constexpr):
    """Return x + scale z, gaussian or uniform, for the elements of the four words."""
    w0, w1, w2, w3 = philox(low, high, block, stream, seed, 0)
    if law == GAUSSIAN:
        z0, z1 = normals(w0, w1)
        z2, z3 = normals(w2, w3)
    else:
        z0, z1, z2, z3 = uniform(w0), uniform(w1), uniform(w2), uniform(w3)
    x0 = tl.fma(z0.to(x0.dtype), scale, x0)
    x1 = tl.fma(z1.to(x1.dtype), scale, x1)
    x2 = tl.fma(z2.to(x2.dtype), scale, x2)
    x3 = tl.fma(z3.to(x3.dtype), scale, x3)
    return x0, x1, x2, x3


@triton.jit
def _add_signs(x0, x1, x2, x3, scale, words, bit):
    """Return x + scale z, rademacher, for the elements of one bit of the four words."""
    x0 += signed(scale, words[0], bit)
    x1 += signed(scale, words[1], bit)
    x2 += signed(scale, words[2], bit)
    x3 += signed(scale, words[3], bit)
    return x0, x1, x2, x3


@triton.jit
def _add_words(
    at, offset, left, right, bit, tile, number, low, high, block, stream, scales, seeds, words,
    count, table, rounding, element: tl.constexpr, wide: tl.constexpr, law: tl.constexpr,
    terms: tl.constexpr, stochastic: tl.constexpr, height: tl.constexpr, masked: tl.constexpr,
):  # fmt: skip
    """Add all terms to the elements of the four words; for rademacher, to those of one bit."""
    x0 = load(at, offset, left, right, wide, masked)
    x1 = load(at, offset + LANES, left, right, wide, masked)
    x2 = load(at, offset + 2 * LANES, left, right, wide, masked)
    x3 = load(at, offset + 3 * LANES, left, right, wide, masked)
    for k in tl.static_range(terms):
        if law == RADEMACHER:
            x0, x1, x2, x3 = _add_signs(x0, x1, x2, x3, scales[k], words[k], bit)
        else:
            x0, x1, x2, x3 = _add_values(
                x0, x1, x2, x3, scales[k], seeds[k], low, high, block, stream, law
            )
    if terms == 0:  # any number of terms, from a table; words are made anew for each bit
        for k in range(count):
            scale = tl.load(table + k).to(tl.float64, bitcast=True).to(wide)
            seed = tl.load(table + count + k)
            if law == RADEMACHER:
                drawn = philox(low, high, block, stream, seed, 0)
                x0, x1, x2, x3 = _add_signs(x0, x1, x2, x3, scale, drawn, bit)
            else:
                x0, x1, x2, x3 = _add_values(
                    x0, x1, x2, x3, scale, seed, low, high, block, stream, law
                )
    u0, u1, u2, u3 = 0, 0, 0, 0
    if stochastic:  # a uniform stream, so in the dense layout
        if law == RADEMACHER:
            begin = (tile * height * 32 + bit) * LANES
            low = (number % LANES) + (number // LANES) * (32 * LANES) + begin.to(tl.uint32)
            high = (begin >> 32).to(tl.uint32)
        u0, u1, u2, u3 = philox(low, high, block, tl.full((), ROUNDING, tl.uint32), rounding, 0)
    save(at, offset, left, right, x0, u0, element, stochastic, masked)
    save(at, offset + LANES, left, right, x1, u1, element, stochastic, masked)
    save(at, offset + 2 * LANES, left, right, x2, u2, element, stochastic, masked)
    save(at, offset + 3 * LANES, left, right, x3, u3, element, stochastic, masked)


@triton.jit
def add_tile(
    at, tile, first_bit, left, right, block, stream, scales, seeds, count, table, rounding,
    counters, element: tl.constexpr, wide: tl.constexpr, law: tl.constexpr,
    terms: tl.constexpr, stochastic: tl.constexpr, height: tl.constexpr, bits: tl.constexpr,
    masked: tl.constexpr,
):  # fmt: skip
    """Add all terms to a tile; for rademacher, to bits first_bit to first_bit + bits of its words.

    at: pointer to the first element of the tile; left, right: the offsets from it that exist.
    """
    row = tl.arange(0, height)[:, None]
    lane = tl.arange(0, LANES)[None, :]
    index = tile * (height * LANES)
    number = tl.load(counters + (row * LANES + lane)).to(tl.uint32)
    low = number + index.to(tl.uint32)
    high = (index >> 32).to(tl.uint32)
    words = ()
    if law == HADAMARD:
        add_bytes(
            at, row * BYTES_CHUNK + lane, left, right, tile, number, low, high, block, stream,
            scales, seeds, count, table, rounding, element, wide, terms, stochastic, height, masked,
        )  # fmt: skip
    elif law == RADEMACHER:
        for k in tl.static_range(terms):
            words += (philox(low, high, block, stream, seeds[k], 0),)
        first, last = left // CHUNK, (right - 1) // CHUNK  # of the tile's 32 * height runs
        for bit in range(first_bit, first_bit + bits):
            offset = row * BITS_CHUNK + (lane + bit * CHUNK)
            if not masked or ((bit - first) & 31) <= last - first:  # else no row has the bit
                _add_words(
                    at, offset, left, right, bit, tile, number, low, high, block, stream, scales,
                    seeds, words, count, table, rounding, element, wide, law, terms, stochastic,
                    height, masked,
                )  # fmt: skip
    else:
        _add_words(
            at, row * CHUNK + lane, left, right, 0, tile, number, low, high, block, stream, scales,
            seeds, words, count, table, rounding, element, wide, law, terms, stochastic,
            height, masked,
        )  # fmt: skip
