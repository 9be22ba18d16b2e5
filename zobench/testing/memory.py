"""The contract of an estimator: the memory that it keeps between steps."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Mapping
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from zobench.core.estimator import Finished
from zobench.core.oracle import BudgetExhausted
from zobench.core.params import Params
from zobench.errors import Unsuitable
from zobench.testing import claims
from zobench.testing.contract import Breach, CheckSubject, NotApplicable
from zobench.testing.estimators import check, entry_of, oracle_of
from zobench.testing.spheres import TensorSphere

LARGE = ((512, 512),)  # so large that arrays of the point's size stand out from buffers


@check("memory")
def it_keeps_what_it_says(subject: CheckSubject) -> None:
    """It keeps no more arrays of the point's size than the docstring says under Memory."""
    entry = entry_of(subject)
    claim = claims.sentence(inspect.getdoc(entry.make) or "", "Memory")
    if not claim:
        raise NotApplicable("the docstring does not state it")
    problem = TensorSphere(LARGE, dtype="float32")
    params = problem.start(1)
    allowed = claims.memory(claim, entry.defaults | dict(entry.sanity), params.size)
    if allowed is None:
        raise NotApplicable(f"states {claim!r}, which is not compared: it is not a number of "
                            "arrays")  # fmt: skip
    if entry.max_dim and entry.max_dim < params.size:
        raise NotApplicable(f"takes {entry.max_dim} coordinates: too few to tell arrays of the "
                            "point's size from others")  # fmt: skip
    estimator = entry.build(entry.sanity)
    try:
        estimator.start(params, 3)
        oracle = oracle_of(entry, estimator, problem, 400)
        for _ in range(2):
            estimator.step(oracle)
    except Unsuitable as error:
        raise NotApplicable(str(error)) from error
    except (BudgetExhausted, Finished):
        pass
    arrays = _numbers(estimator) / params.size
    getattr(estimator, "close", lambda: None)()
    if arrays > allowed + 0.5:
        raise Breach(
            f"keeps {arrays:.1f} arrays of the point's size between steps, but its docstring says "
            f"'Memory: {claim}': state them, or keep seeds, from which directions replay"
        )


def _numbers(thing: Any) -> int:
    """Count the numbers in all arrays and tensors that an object refers to, but for the point's."""
    import torch

    visited: set[int] = set()
    sizes: dict[int, int] = {}  # by address
    queue: deque[Any] = deque([thing])
    while queue:
        value = queue.popleft()
        if id(value) in visited or isinstance(value, (Params, type, str, bytes, int, float)):
            continue
        visited.add(id(value))
        if isinstance(value, np.ndarray) and value.dtype != object:
            sizes[value.__array_interface__["data"][0]] = value.size
        elif isinstance(value, torch.Tensor):
            sizes[value.data_ptr()] = value.numel()
        elif isinstance(value, Mapping):
            queue.extend(value.values())
        elif isinstance(value, (list, tuple, set, frozenset, deque)):
            queue.extend(value)
        elif isinstance(value, MethodType):
            queue.append(value.__self__)
        elif isinstance(value, FunctionType):
            queue.extend(cell.cell_contents for cell in value.__closure__ or ()
                         if cell != type(cell)())  # fmt: skip
        else:
            queue.extend(getattr(value, "__dict__", {}).values())
            slots = (name for kind in type(value).__mro__ for name in _slots(kind))
            queue.extend(getattr(value, name) for name in slots if hasattr(value, name))
    return sum(sizes.values())


def _slots(kind: type) -> tuple[str, ...]:
    names = vars(kind).get("__slots__", ())
    return (names,) if isinstance(names, str) else tuple(names)
