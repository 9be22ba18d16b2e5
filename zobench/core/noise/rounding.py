"""Numbers of 16 bits: their values as float32, and rounding to them, to nearest or stochastically.

A weight of 16 bits that moves by less than half a step stays where it is under rounding to nearest;
rounded stochastically it moves by the right amount on average (Croci et al. 2022, "Stochastic
rounding: implementation, error analysis and applications").

Everything is made of 32-bit integers, so that loops become vectors on any CPU. Rounding to nearest
is that of IEEE, ties to even.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from zobench.core.noise.compiled import within

F, I, U, W = np.float32, np.int32, np.uint64, np.uint32  # noqa: E741
SIGN, INFINITE = W(0x8000), W(0x7F800000)  # the sign of 16 bits; infinity as a float32
LEAST = W(113 << 23)  # 2^-14, the least normal float16, as a float32
TOP = W(143 << 23)  # 2^16, beyond the largest float16
EXPONENT = W(0x1F << 23)  # where the exponent of a float16 is after a shift by 13 bits


@within
def bfloat16_value(bits: Any) -> Any:
    """Return the float32 of the bits of a bfloat16."""
    return W(W(bits) << W(16)).view(F)


@within
def float16_value(bits: Any) -> Any:
    """Return the float32 of the bits of a float16."""
    size = W((W(bits) & W(0x7FFF)) << W(13))
    exponent = W(size & EXPONENT)
    tiny = F(W(size + LEAST).view(F) - F(2.0**-14)).view(W)
    moved = W(size + W(112 << 23))
    moved = W(size + W(224 << 23)) if exponent == EXPONENT else moved  # infinite, or no number
    moved = tiny if exponent == W(0) else moved
    return W(moved | W((W(bits) & SIGN) << W(16))).view(F)


@within
def bfloat16_nearest(x: Any) -> Any:
    """Return the bits of the bfloat16 nearest to x (float32), a sum with a bfloat16.

    A NaN there has zeros in the bits that go, so that it stays a NaN without a test.
    """
    bits = W(F(x).view(W))
    near = W(W(bits + W(0x7FFF)) + W(W(bits >> W(16)) & W(1)))
    return np.uint16(W(near >> W(16)))


@within
def float16_nearest(x: Any) -> Any:
    """Return the bits of the float16 nearest to x (float32).

    Below the least normal float16, a sum with 1/2 rounds to the steps of the type.
    """
    bits = W(F(x).view(W))
    size = W(bits & W(0x7FFFFFFF))
    tiny = W(F(W(size).view(F) + F(0.5)).view(W) - W(0x3F000000))
    odd = W(W(size >> W(13)) & W(1))
    near = W(W(W(size - W(112 << 23)) + W(W(0xFFF) + odd)) >> W(13))
    near = tiny if size < LEAST else near
    near = W(0x7C00) if size >= TOP else near
    near = W(0x7E00) if size > INFINITE else near
    return np.int16(W(W(W(bits >> W(16)) & SIGN) | near))


@within
def bfloat16_rounded(x: Any, word: Any) -> Any:
    """Return the bits of x (float32) in bfloat16, rounded by the uniform (word >> 8) 2^-24.

    It rounds away from zero where the uniform is below (distance to the neighbour nearer zero) /
    (distance of the two neighbours).
    """
    bits = W(F(x).view(W))
    size = W(bits & W(0x7FFFFFFF))
    up = W(1) if W(word >> W(8)) < W(W(size << W(8)) & W(0xFFFFFF)) else W(0)  # 16 bits go
    near = W(W(size >> W(16)) + up)
    near = W(0x7F80) if near > W(0x7F80) else near
    near = W(0x7F81) if size > INFINITE else near
    return np.uint16(W(W(W(bits >> W(16)) & SIGN) | near))


@within
def float16_rounded(x: Any, word: Any) -> Any:
    """Return the bits of x (float32) in float16, rounded by a uniform as in `bfloat16_rounded`.

    The probability is exact but for subnormal float16, off by less than 2^-24. `whole` counts the
    steps of the type from zero, and `part` is the rest in steps of 2^-24.
    """
    bits = W(F(x).view(W))
    size = W(bits & W(0x7FFFFFFF))
    least = W(size if size < LEAST else W(0))
    tiny = F(W(least).view(F) * F(2.0**24))  # in steps of 2^-24, exact
    steps = I(tiny)
    rest = I(F(tiny - F(steps)) * F(2.0**24))
    whole = W(steps) if size < LEAST else W(W(size - W(112 << 23)) >> W(13))  # 13 bits go
    part = W(rest) if size < LEAST else W(W(size & W(0x1FFF)) << W(11))
    near = W(whole + (W(1) if W(word >> W(8)) < part else W(0)))
    near = W(0x7C00) if near > W(0x7C00) else near
    near = W(0x7C01) if size > INFINITE else near
    return np.int16(W(W(W(bits >> W(16)) & SIGN) | near))
