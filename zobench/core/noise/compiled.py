"""Noise kernels' compiler settings: numba with a cache where one can be written, else without."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
from numba import types
from numba.extending import intrinsic
from numba.np.numpy_support import carray as carray


def compiled(*signatures: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile for the given types now and for no others, free of the interpreter's lock.

    numba looks for a cache folder beside the source, then in the user's folder; in a sandbox
    with neither it raises, and the kernels are then compiled once per process.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        return _cached(partial(numba.njit, list(signatures), nogil=True), function)

    return decorate


def shared_work(function: Callable[[int], None]) -> Any:
    """Compile for native threads, which call it with the address of a job's int64 numbers."""
    return _cached(partial(numba.cfunc, types.void(types.int64)), function)


def _cached(compiler: Callable[..., Any], function: Callable[..., Any]) -> Any:
    # numba renews a cached kernel when its own file changes, not when one that it calls does; but
    # the cache's files are named after the kernel.
    function.__qualname__ += _sources()
    try:
        return compiler(cache=True, error_model="numpy")(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return compiler(error_model="numpy")(function)


@cache
def _sources() -> str:
    """A name for what all kernels are made from, with the numbers in `layout`."""
    folder = Path(__file__).parent
    files = ("compiled", "cpu", "cpu_rows", "cpu_tables", "draw", "layout", "rounding")
    return sha256(b"".join((folder / f"{f}.py").read_bytes() for f in files)).hexdigest()[:12]


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


def _take(typing_context: Any, job: Any) -> Any:
    """The first of a job's numbers, which goes up by one: no two threads get the same."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one = context.get_constant(types.int64, 1)
        return builder.atomic_rmw("add", arguments[0], one, "monotonic")

    return types.int64(types.CPointer(types.int64)), generate


take: Callable[..., Any] = intrinsic(_take)


def _pointer(element: Any) -> Callable[..., Any]:
    def cast(typing_context: Any, address: Any) -> Any:
        """The address as a pointer to numbers of a type."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(element)(types.int64), generate

    return intrinsic(cast)


pointer_f32, pointer_f64 = _pointer(types.float32), _pointer(types.float64)
pointer_i64 = _pointer(types.int64)
