"""Elements of a tensor as GPU kernels read and write them, in a mask where a tile is not whole."""

# Triton reads these types itself and wraps plain values at calls:
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false

from __future__ import annotations

import triton
import triton.language as tl

from zobench.core.noise.cuda_draw import rounded


@triton.jit
def load(at, offset, left, right, wide: tl.constexpr, masked: tl.constexpr):
    """Return the elements at an offset, in the type of sums."""
    if masked:
        x = tl.load(at + offset, mask=(offset >= left) & (offset < right))
    else:
        x = tl.load(at + offset)
    return x.to(wide)


@triton.jit
def save(
    at, offset, left, right, x, word, element: tl.constexpr, stochastic: tl.constexpr,
    masked: tl.constexpr,
):  # fmt: skip
    """Write elements, rounded to nearest or by the uniforms of the words."""
    x = rounded(x, word, element) if stochastic else x.to(element)
    if masked:
        tl.store(at + offset, x, mask=(offset >= left) & (offset < right))
    else:
        tl.store(at + offset, x)
