"""Find the objects that a function holds between calls, which cannot be saved there."""

from __future__ import annotations

import functools
import types
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from zobench.core.fixed import fixed
from zobench.core.params import Params

_FUNCTIONS = (
    types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial,
    functools._lru_cache_wrapper, np.ufunc, type,
)  # fmt: skip


def is_function(value: Any) -> bool:
    """Return True for a function of any kind, and for a class."""
    return isinstance(value, _FUNCTIONS)


def changeable(function: Any) -> Iterator[Any]:
    """Yield the objects that the function holds and that may change: in cells, defaults, `self`."""
    waiting, visited = [function], set()
    while waiting:
        value = waiting.pop()
        if id(value) in visited or fixed(value) or isinstance(value, _IGNORED):
            continue
        visited.add(id(value))
        if isinstance(value, (tuple, frozenset)):
            waiting += value
        elif is_function(value):
            waiting += _parts_of(value)
        else:
            yield value


_IGNORED = (type, types.ModuleType, weakref.ReferenceType, np.ufunc, Params)


def _parts_of(function: Any) -> Iterator[Any]:
    if isinstance(function, functools.partial):
        yield from (function.func, *function.args, *function.keywords.values())
    elif isinstance(function, types.MethodType):
        yield from (function.__func__, function.__self__)
    elif isinstance(function, types.BuiltinFunctionType):
        yield function.__self__
    elif not isinstance(function, types.FunctionType):
        yield getattr(function, "__wrapped__", None)
    else:
        for cell in function.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # empty
                continue
        yield from (function.__defaults__, *(function.__kwdefaults__ or {}).values())
        yield from vars(function).values()
