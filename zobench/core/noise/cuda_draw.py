"""Noise on a GPU, the arithmetic: Philox, Box-Muller and rounding as Triton functions of tensors.

The operations and their order are those of `cpu`, each rounded once as in IEEE, so that bits agree.
So kernels that use these functions are compiled with `enable_fp_fusion=False`: a multiply and an
add fuse in `tl.fma` alone.
"""

# pyright: reportGeneralTypeIssues=false
# (static_range is a loop to Triton alone)

from __future__ import annotations

import triton
import triton.language as tl

from zobench.core.noise import layout

M0, M1 = tl.constexpr(layout.M0), tl.constexpr(layout.M1)
W0, W1 = tl.constexpr(layout.W0), tl.constexpr(layout.W1)
ROUNDS = tl.constexpr(layout.ROUNDS)
STEP = tl.constexpr(2.0**-24)


@triton.jit
def philox(c0, c1, c2, c3, seed, key: tl.constexpr):
    """Return four words (uint32) of each counter, for a seed (int64) and the bit of a law.

    c0 is a tensor and the others are scalars, which saves most of the work of the first two rounds.
    """
    k0 = seed.to(tl.uint32)
    k1 = (seed >> 32).to(tl.uint32) | key
    for _ in tl.static_range(ROUNDS):
        p0, p1 = c0.to(tl.uint64) * M0, c2.to(tl.uint64) * M1  # one wide multiplication each
        c0 = (p1 >> 32).to(tl.uint32) ^ c1 ^ k0
        c1 = p1.to(tl.uint32)
        c2 = (p0 >> 32).to(tl.uint32) ^ c3 ^ k1
        c3 = p0.to(tl.uint32)
        k0 += W0
        k1 += W1
    return c0, c1, c2, c3


@triton.jit
def uniform(word):
    """Return (w >> 8) 2^-24."""
    return (word >> 8).to(tl.int32).to(tl.float32) * STEP


@triton.jit
def root(x):
    """Return sqrt(x) to nearest, for x = 0 or 2^-60 < x < 2^60.

    One Newton step on the approximate reciprocal root, as in the exact root of the compiler, but
    without its branch for other x. The sign of a zero stays.
    """
    r = tl.math.rsqrt(tl.maximum(x, 8.673617379884035e-19))  # 2^-60: no infinity from x = 0
    g = x * r
    return tl.fma(tl.fma(-g, g, x), 0.5 * r, g)


@triton.jit
def normals(first, second):
    """Return two standard normals of two words, by the polynomials of `draw`.

    Powers of two that `cpu` multiplies by are inside the constants here: g = -8 f and twice the
    radius, from w = -8 log u. That saves a tenth of the work and, being exact, changes no bit but
    the sign of a zero.
    """
    v = (first >> 8).to(tl.int32).to(tl.float32) + 0.5  # 2^24 u
    bits = v.to(tl.int32, bitcast=True)
    e = (bits - 0x4B3504F3) & -0x800000  # 2^23 times the exponent of u
    g = tl.fma((bits - e - 0x0C000000).to(tl.float32, bitcast=True), -8.0, 8.0)
    p = tl.fma(g, 0.08734845 / 8**8, 0.14307523 / 8**7)
    p = tl.fma(p, g, 0.14917973 / 8**6)
    p = tl.fma(p, g, 0.16570508 / 8**5)
    p = tl.fma(p, g, 0.19962072 / 8**4)
    p = tl.fma(p, g, 0.25001755 / 8**3)
    p = tl.fma(p, g, 0.33333950 / 8**2)
    p = tl.fma(p, g, 0.49999992 / 8)
    w = tl.fma(e.to(tl.float32), -0.69314718 / 2**20, tl.fma(p, g * g, g))
    diameter = root(w)
    t = tl.fma((second >> 8).to(tl.int32).to(tl.float32), STEP, -0.5)
    y = t * t
    s = tl.fma(y, 0.07722013, -0.59804517)
    s = tl.fma(s, y, 2.55003138)
    s = tl.fma(s, y, -5.16770688)
    s = t * tl.fma(s, y, 3.14159258)
    c = tl.fma(y, -0.0244207, 0.23495393)
    c = tl.fma(c, y, -1.33521611)
    c = tl.fma(c, y, 4.0587096)
    c = tl.fma(c, y, -4.93480216)
    c = tl.fma(c, y, 1.0)
    return diameter * tl.fma(-s, s, 0.5), diameter * (s * c)


@triton.jit
def signed(scale, word, bit):
    """Return scale where the bit is 1, else -scale: the bit is moved to that of the sign."""
    minus = ~(word << (31 - bit)) & 0x80000000
    if scale.dtype == tl.float64:
        wide = scale.to(tl.uint64, bitcast=True) ^ (minus.to(tl.uint64) << 32)
        return wide.to(tl.float64, bitcast=True)
    else:
        return (scale.to(tl.uint32, bitcast=True) ^ minus).to(tl.float32, bitcast=True)


@triton.jit
def rounded(x, word, element: tl.constexpr):
    """Round x (float32) to a 16-bit type by the rule of `rounding` and the uniform of a word."""
    bits = x.to(tl.uint32, bitcast=True)
    magnitude = bits & 0x7FFFFFFF
    if element == tl.float16:
        exponent = (magnitude >> 23).to(tl.int32)
        least = tl.maximum(exponent, 113)
        shift = 126 - tl.minimum(exponent, 113)  # 13 for normal float16
        mantissa = (magnitude & 0x7FFFFF) | 0x800000
        whole = (mantissa >> tl.minimum(shift, 31)) + ((least - 113) << 10).to(tl.uint32)
        below = mantissa << tl.maximum(24 - shift, 0)
        part = tl.where(shift <= 24, below, mantissa >> tl.minimum(tl.maximum(shift - 24, 0), 31))
        infinite = 0x7C00
    else:
        whole = magnitude >> 16
        part = magnitude << 8
        infinite = 0x7F80
    up = (word >> 8) < (part & 0xFFFFFF)
    whole = tl.minimum(whole + up.to(tl.uint32), infinite)
    whole = tl.where(magnitude > 0x7F800000, infinite | 1, whole)
    return (whole | ((bits >> 16) & 0x8000)).to(tl.uint16).to(element, bitcast=True)
