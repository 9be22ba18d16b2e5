"""How numba compiles kernels, and what they use beside NumPy. `native` loads and stores them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.numpy_support import carray as carray

# a kernel: takes the address of the int64 numbers of a job, without the interpreter's lock
kernel = numba.cfunc(types.void(types.int64), error_model="numpy")
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


def room(element: Any, size: int) -> Callable[..., Any]:
    """Return a function for kernels, which gives room on the stack of the kernel that calls it."""

    def give(typing_context: Any) -> Any:
        """Return a pointer to elements that hold anything."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            with builder.goto_entry_block():
                place = builder.alloca(context.get_value_type(element), size)
                place.align = 64  # bytes, a line of the cache
            return place

        return types.CPointer(element)(), generate

    return intrinsic(give)


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


OBJECT = object.__basicsize__  # bytes of any Python object


@inlined
def elements_of_array(array: int) -> int:
    """Return the address of the elements of a NumPy array, given its `id`.

    It is the first member of NumPy's C structure PyArrayObject, behind those of any object.
    """
    return carray(pointer_i64(array + OBJECT), 1)[0]
