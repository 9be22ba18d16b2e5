"""Stochastic rounding to 16 bits: up with the probability that keeps the expected value.

A weight of 16 bits that moves by less than half a step stays where it is under rounding to nearest;
rounded stochastically it moves by the right amount on average (Croci et al. 2022, "Stochastic
rounding: implementation, error analysis and applications").
"""

from __future__ import annotations

import numpy as np

from zobench.core.noise.compiled import compiled

F, U, W = np.float32, np.uint64, np.uint32
POINT, FRACTION = U(24), U(0xFFFFFF)  # bits after the point of a fixed-point magnitude


@compiled("void(uint16[::1], float32[::1], float32[::1], boolean)")
def round_stochastic(out: np.ndarray, values: np.ndarray, uniforms: np.ndarray, half: bool) -> None:
    """Set `out` to the bits of `values` in float16 (`half`) or bfloat16; arrays of one size.

    Rounds away from zero where the uniform in [0, 1), of 24 bits, is below (distance to the
    neighbour nearer zero) / (distance of the two neighbours). That probability is exact but for
    subnormal float16, off by less than 2^-24. A magnitude is an integer here that counts the
    steps of the 16-bit type from zero, so signs and exact values need no case of their own.
    """
    for k in range(out.size):
        bits = W(F(values[k]).view(W))
        magnitude, sign = U(bits & W(0x7FFFFFFF)), U(bits >> W(16)) & U(0x8000)
        if half:  # 13 bits go, and more below 2^-14, the least normal float16
            exponent = magnitude >> U(23)
            above = max(exponent, U(113)) - U(113)
            shift = min(U(126) - min(exponent, U(113)), U(63))
            mantissa = (magnitude & U(0x7FFFFF)) | U(0x800000)
            steps = ((mantissa << POINT) >> shift) + (above << (POINT + U(10)))
            infinite = U(0x7C00)
        else:  # 16 bits go
            steps = magnitude << (POINT - U(16))
            infinite = U(0x7F80)
        up = U(F(uniforms[k]) * F(2.0**24)) < (steps & FRACTION)
        rounded = min((steps >> POINT) + U(up), infinite)
        if magnitude > U(0x7F800000):
            rounded = infinite | U(1)  # not a number
        out[k] = np.uint16(sign | rounded)
