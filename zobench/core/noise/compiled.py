"""Noise kernels' compiler settings: numba with a cache where one can be written, else without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba.extending import intrinsic


def compiled(*signatures: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile for the given types now and for no others, free of the interpreter's lock.

    numba looks for a cache folder beside the source, then in the user's folder; in a sandbox
    with neither it raises, and the kernels are then compiled once per process.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        options = {"nogil": True, "error_model": "numpy"}
        try:
            return numba.njit(list(signatures), cache=True, **options)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            return numba.njit(list(signatures), **options)(function)

    return decorate


inlined = numba.njit(error_model="numpy")  # a part of a kernel: compiled where it is used


def _fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c rounded once.

    Kernels use no fast-math flag and say here where multiply and add fuse. So every operation is
    exact IEEE, a value has the same bits in a vector lane and in a loop's tail, and on any CPU.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return a(a, a, a), generate


fma: Callable[..., Any] = intrinsic(_fma)
