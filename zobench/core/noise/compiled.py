"""How noise kernels are compiled: by numba, with a cache where one can be written."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.numpy_support import carray as carray

SOURCES = (  # all files that kernels of the CPU are made of
    *("compiled", "cpu", "cpu_copies", "cpu_halves", "cpu_rows", "cpu_store", "cpu_tables"),
    *("draw", "elements", "hadamard", "layout", "rounding"),
)


def compiled(*signatures: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile for the given types now and for no others, without the interpreter's lock.

    numba looks for a cache folder beside the source, then in the user's folder. In a sandbox
    without both it raises, and the kernels are compiled once per process.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        return _cached(partial(numba.njit, list(signatures), nogil=True), function)

    return decorate


def shared_work(function: Callable[[int], None]) -> Any:
    """Compile for native threads, which pass the address of the int64 numbers of a job."""
    return _cached(partial(numba.cfunc, types.void(types.int64)), function)


def _cached(compiler: Callable[..., Any], function: Callable[..., Any]) -> Any:
    # numba renews a cached kernel when its own file changes, and not when one that it calls does.
    # The files of the cache are named after the kernel, so its name depends on all sources.
    function.__qualname__ += _sources()
    try:
        return compiler(cache=True, error_model="numpy")(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return compiler(error_model="numpy")(function)


@cache
def _sources() -> str:
    """Return a hash of all sources of kernels, with the numbers in `layout`."""
    folder = Path(__file__).parent
    return sha256(b"".join((folder / f"{f}.py").read_bytes() for f in SOURCES)).hexdigest()[:12]


inlined = numba.njit(error_model="numpy")  # a part of a kernel: compiled where it is used
# a part that loops need in line, whatever its size: a loop with a call is not made of vectors
within = numba.njit(error_model="numpy", forceinline=True)


def _fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c, rounded once.

    Kernels use no fast-math flag: multiply and add fuse here alone. So every operation is exact
    IEEE, and a value has the same bits in a vector lane, in the tail of a loop, and on any CPU.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return a(a, a, a), generate


fma: Callable[..., Any] = intrinsic(_fma)


def _take(typing_context: Any, job: Any) -> Any:
    """Return the first number of a job, and increase it by one, so that no two threads share it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one = context.get_constant(types.int64, 1)
        return builder.atomic_rmw("add", arguments[0], one, "monotonic")

    return types.int64(types.CPointer(types.int64)), generate


take: Callable[..., Any] = intrinsic(_take)


def _pointer(element: Any) -> Callable[..., Any]:
    def cast(typing_context: Any, address: Any) -> Any:
        """Return the address as a pointer to numbers of a type."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(element)(types.int64), generate

    return intrinsic(cast)


pointer_f32, pointer_f64 = _pointer(types.float32), _pointer(types.float64)
pointer_i64 = _pointer(types.int64)
pointer_u16, pointer_i16 = _pointer(types.uint16), _pointer(types.int16)


def _prefetch(typing_context: Any, address: Any) -> Any:
    """Ask for the line of memory at an address that will be read soon, for the second cache."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, number = ir.PointerType(ir.IntType(8)), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        request = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        how = [ir.Constant(number, k) for k in (0, 2, 1)]  # to read, second cache, data
        builder.call(request, [builder.inttoptr(arguments[0], pointer), *how])
        return context.get_dummy_value()

    return types.void(types.int64), generate


prefetch: Callable[..., Any] = intrinsic(_prefetch)


@inlined
def ask(address: int, size: int) -> None:
    """Ask for `size` bytes of memory from an address on; nothing happens where none is."""
    for line in range(address, address + size, 64):
        prefetch(line)
