"""Elements of arrays as kernels read and write them: sums of 16-bit elements are made in float32.

NumPy has no bfloat16, so kernels take the bits of 16-bit types: uint16 arrays hold bfloat16, and
int16 arrays float16. The type of an array decides at compile time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from zobench.core.noise import rounding

_OPTIONS: Any = {"error_model": "numpy", "forceinline": True}


def load(out: np.ndarray, k: Any) -> Any:
    """Return out[k] as a number."""
    return out[k]


def save(out: np.ndarray, k: Any, x: Any) -> None:
    """Set out[k] = x, rounded to nearest."""
    out[k] = x


def save_rounded(out: np.ndarray, k: Any, x: Any, word: Any) -> None:
    """Set out[k] = x (float32), rounded stochastically to 16 bits by the uniform of a word."""
    out[k] = x


def summed(out: np.ndarray, x: Any) -> Any:
    """Return x in the type of sums: float64 for float64 elements, else float32."""
    return x


@overload(load, strict=False, jit_options=_OPTIONS)
def _load(out: Any, k: Any) -> Any:
    if out.dtype == types.uint16:
        return lambda out, k: rounding.bfloat16_value(out[k])
    if out.dtype == types.int16:
        return lambda out, k: rounding.float16_value(out[k])
    return lambda out, k: out[k]


@overload(save, strict=False, jit_options=_OPTIONS)
def _save(out: Any, k: Any, x: Any) -> Any:
    def whole(out: Any, k: Any, x: Any) -> None:
        out[k] = x

    def bfloat16(out: Any, k: Any, x: Any) -> None:
        out[k] = rounding.bfloat16_nearest(x)

    def float16(out: Any, k: Any, x: Any) -> None:
        out[k] = rounding.float16_nearest(x)

    return {types.uint16: bfloat16, types.int16: float16}.get(out.dtype, whole)


@overload(save_rounded, strict=False, jit_options=_OPTIONS)
def _save_rounded(out: Any, k: Any, x: Any, word: Any) -> Any:
    def bfloat16(out: Any, k: Any, x: Any, word: Any) -> None:
        out[k] = rounding.bfloat16_rounded(x, word)

    def float16(out: Any, k: Any, x: Any, word: Any) -> None:
        out[k] = rounding.float16_rounded(x, word)

    return {types.uint16: bfloat16, types.int16: float16}[out.dtype]


@overload(summed, strict=False, jit_options=_OPTIONS)
def _summed(out: Any, x: Any) -> Any:
    kind = np.float64 if out.dtype == types.float64 else np.float32
    return lambda out, x: kind(x)
