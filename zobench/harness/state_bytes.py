"""Bytes of the arrays that an estimator holds between steps: its state, apart from the point."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np

from zobench.core.params import Params
from zobench.core.problem import Problem

MOST = 200_000  # objects that are looked at: an archive of points has many
PLAIN = (
    *(str, bytes, int, float, complex, bool, type(None), type, range),
    *(ModuleType, FunctionType, BuiltinFunctionType, np.random.Generator),
)


def state_bytes(estimator: object) -> int:
    """Add up the memory of all arrays and tensors that an estimator refers to.

    The point, the problem and functions do not count, and memory that several arrays share counts
    once. Numbers, texts and the objects that hold them count nothing: they are small.

    Args:
        estimator: an estimator that has been started.

    Returns:
        Bytes.
    """
    sizes: dict[int, int] = {}
    seen: set[int] = set()
    waiting: list[Any] = [estimator]
    while waiting and len(seen) < MOST:
        value = waiting.pop()
        if isinstance(value, (*PLAIN, Params, Problem)) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, np.ndarray):
            owner = value
            while isinstance(owner.base, np.ndarray):
                owner = owner.base
            sizes[id(owner)] = owner.nbytes
            if owner.dtype == object:
                waiting += owner.ravel().tolist()
        elif _is_tensor(value):
            storage = value.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
        else:
            waiting += _parts(value)
    return sum(sizes.values())


def _is_tensor(value: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _parts(value: Any) -> Iterable[Any]:
    """Return what an object refers to by its attributes or entries."""
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return value
    if type(value).__module__ == "collections":
        return list(value) if hasattr(value, "__len__") else ()
    slots = [s for kind in type(value).__mro__ for s in getattr(kind, "__slots__", ())]
    named = [getattr(value, s, None) for s in slots if isinstance(s, str)]
    own = getattr(value, "__dict__", {})
    return [*named, *(own.values() if isinstance(own, dict) else ())]
