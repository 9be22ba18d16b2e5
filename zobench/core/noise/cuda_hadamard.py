"""Hadamard noise on a GPU: the 16 values of a counter, and what one program adds of them.

The operations and their order are those of `hadamard`. A thread loads the elements of its 16 rows,
makes all values of its lanes, and writes each element once.

    chunk of a tile      lanes 0 .. 255   256 .. 511   ...   3840 .. 4095   elements
    row of the matrix    0                1                  15
"""

# Triton reads these types itself and wraps plain values at calls:
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false

from __future__ import annotations

import triton
import triton.language as tl

from zobench.core.noise import interface, layout
from zobench.core.noise.cuda_draw import philox
from zobench.core.noise.cuda_elements import load, save

HADAMARD = tl.constexpr(layout.HADAMARD)
LANES, BYTES_CHUNK = tl.constexpr(layout.LANES), tl.constexpr(layout.BYTES_CHUNK)
ROWS = tl.constexpr(4 * layout.LANES)  # elements of four rows
KEY = tl.constexpr(layout.BYTE_KEY)
ROUNDING = tl.constexpr(interface.ROUNDING)
# of half of t, and with the 1/4 of the rotation: powers of two, which change no bit
A, B = tl.constexpr(layout.BYTE_A / 2), tl.constexpr(layout.BYTE_B * 8)
C = tl.constexpr(layout.BYTE_C * 128)


@triton.jit
def byte_normal(bits):
    """Return x / 4 of the byte at bits 15 to 22, where it is the mantissa of a number."""
    h = ((bits & 0x7F8000) | 0x3F800000).to(tl.float32, bitcast=True) - 1.498046875
    y = h * h
    y = y * y
    return h * tl.fma(tl.fma(y, C, B), y, A)


@triton.jit
def mix(a, b, c, d):
    """Return the products of four numbers with the Hadamard matrix of four rows."""
    p, q, r, s = a + b, a - b, c + d, c - d
    return p + r, q + s, p - r, q - s


@triton.jit
def of_word(word):
    """Return the mix of the four bytes of a word."""
    a, b = byte_normal(word << 15), byte_normal(word << 7)
    c, d = byte_normal(word >> 1), byte_normal(word >> 9)
    return mix(a, b, c, d)


@triton.jit
def of_counter(low, high, block, stream, seed):
    """Return the values of rows 0, 4, 8 and 12 of each word: rows k to k + 3 are a mix of them."""
    w0, w1, w2, w3 = philox(low, high, block, stream, seed, KEY)
    a0, a1, a2, a3 = of_word(w0)
    b0, b1, b2, b3 = of_word(w1)
    c0, c1, c2, c3 = of_word(w2)
    d0, d1, d2, d3 = of_word(w3)
    return a0, b0, c0, d0, a1, b1, c1, d1, a2, b2, c2, d2, a3, b3, c3, d3


@triton.jit
def moved(x0, x1, x2, x3, a, b, c, d, scale):
    """Return x + scale z for four rows."""
    z0, z1, z2, z3 = mix(a, b, c, d)
    x0 = tl.fma(z0.to(x0.dtype), scale, x0)
    x1 = tl.fma(z1.to(x1.dtype), scale, x1)
    x2 = tl.fma(z2.to(x2.dtype), scale, x2)
    x3 = tl.fma(z3.to(x3.dtype), scale, x3)
    return x0, x1, x2, x3


@triton.jit
def four(at, offset, left, right, wide: tl.constexpr, masked: tl.constexpr):
    """Return the elements of four rows."""
    x0 = load(at, offset, left, right, wide, masked)
    x1 = load(at, offset + LANES, left, right, wide, masked)
    x2 = load(at, offset + 2 * LANES, left, right, wide, masked)
    x3 = load(at, offset + 3 * LANES, left, right, wide, masked)
    return x0, x1, x2, x3


@triton.jit
def put_four(
    at, offset, left, right, x0, x1, x2, x3, group: tl.constexpr, tile, number, block, rounding,
    element: tl.constexpr, stochastic: tl.constexpr, height: tl.constexpr, masked: tl.constexpr,
):  # fmt: skip
    """Write four rows; the uniforms of stochastic rounding are a stream of the dense layout."""
    u0, u1, u2, u3 = 0, 0, 0, 0
    if stochastic:
        begin = (tile * height * 4 + group) * LANES
        low = (number % LANES) + (number // LANES) * (4 * LANES) + begin.to(tl.uint32)
        high = (begin >> 32).to(tl.uint32)
        u0, u1, u2, u3 = philox(low, high, block, tl.full((), ROUNDING, tl.uint32), rounding, 0)
    save(at, offset, left, right, x0, u0, element, stochastic, masked)
    save(at, offset + LANES, left, right, x1, u1, element, stochastic, masked)
    save(at, offset + 2 * LANES, left, right, x2, u2, element, stochastic, masked)
    save(at, offset + 3 * LANES, left, right, x3, u3, element, stochastic, masked)


@triton.jit
def add_bytes(
    at, offset, left, right, tile, number, low, high, block, stream, scales, seeds, count, table,
    rounding, element: tl.constexpr, wide: tl.constexpr, terms: tl.constexpr,
    stochastic: tl.constexpr, height: tl.constexpr, masked: tl.constexpr,
):  # fmt: skip
    """Add all terms to a tile."""
    x0, x1, x2, x3 = four(at, offset, left, right, wide, masked)
    x4, x5, x6, x7 = four(at, offset + ROWS, left, right, wide, masked)
    x8, x9, x10, x11 = four(at, offset + 2 * ROWS, left, right, wide, masked)
    x12, x13, x14, x15 = four(at, offset + 3 * ROWS, left, right, wide, masked)
    for k in tl.static_range(terms):
        a0, b0, c0, d0, a1, b1, c1, d1, a2, b2, c2, d2, a3, b3, c3, d3 = of_counter(
            low, high, block, stream, seeds[k]
        )
        x0, x1, x2, x3 = moved(x0, x1, x2, x3, a0, b0, c0, d0, scales[k])
        x4, x5, x6, x7 = moved(x4, x5, x6, x7, a1, b1, c1, d1, scales[k])
        x8, x9, x10, x11 = moved(x8, x9, x10, x11, a2, b2, c2, d2, scales[k])
        x12, x13, x14, x15 = moved(x12, x13, x14, x15, a3, b3, c3, d3, scales[k])
    if terms == 0:  # any number of terms, from a table
        for k in range(count):
            scale = tl.load(table + k).to(tl.float64, bitcast=True).to(wide)
            a0, b0, c0, d0, a1, b1, c1, d1, a2, b2, c2, d2, a3, b3, c3, d3 = of_counter(
                low, high, block, stream, tl.load(table + count + k)
            )
            x0, x1, x2, x3 = moved(x0, x1, x2, x3, a0, b0, c0, d0, scale)
            x4, x5, x6, x7 = moved(x4, x5, x6, x7, a1, b1, c1, d1, scale)
            x8, x9, x10, x11 = moved(x8, x9, x10, x11, a2, b2, c2, d2, scale)
            x12, x13, x14, x15 = moved(x12, x13, x14, x15, a3, b3, c3, d3, scale)
    put_four(
        at, offset, left, right, x0, x1, x2, x3, 0, tile, number, block, rounding, element,
        stochastic, height, masked,
    )  # fmt: skip
    put_four(
        at, offset + ROWS, left, right, x4, x5, x6, x7, 1, tile, number, block, rounding, element,
        stochastic, height, masked,
    )  # fmt: skip
    put_four(
        at, offset + 2 * ROWS, left, right, x8, x9, x10, x11, 2, tile, number, block, rounding,
        element, stochastic, height, masked,
    )  # fmt: skip
    put_four(
        at, offset + 3 * ROWS, left, right, x12, x13, x14, x15, 3, tile, number, block, rounding,
        element, stochastic, height, masked,
    )  # fmt: skip
