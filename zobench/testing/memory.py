"""The contract of an estimator: what it keeps between steps."""

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
from zobench.testing.contract import Breach, NotApplicable, Subject
from zobench.testing.estimators import check, door, entry_of
from zobench.testing.spheres import TensorSphere

LARGE = ((512, 512),)  # where arrays of the point's size stand out from buffers


@check("memory")
def it_keeps_what_it_says(subject: Subject) -> None:
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
        oracle = door(entry, estimator, problem, 400)
        for _ in range(2):
            estimator.step(oracle)
    except Unsuitable as error:
        raise NotApplicable(str(error)) from error
    except (BudgetExhausted, Finished):
        pass
    kept = _numbers(estimator) / params.size
    getattr(estimator, "close", lambda: None)()
    if kept > allowed + 0.5:
        raise Breach(
            f"keeps {kept:.1f} arrays of the point's size between steps, but its docstring says "
            f"'Memory: {claim}': state them, or keep seeds, from which directions replay"
        )


def _numbers(thing: Any) -> int:
    """The numbers in the arrays and tensors that an object holds, those of the point apart."""
    import torch

    seen: set[int] = set()
    arrays: dict[int, int] = {}  # by address
    waiting: deque[Any] = deque([thing])
    while waiting:
        held = waiting.popleft()
        if id(held) in seen or isinstance(held, (Params, type, str, bytes, int, float)):
            continue
        seen.add(id(held))
        if isinstance(held, np.ndarray) and held.dtype != object:
            arrays[held.__array_interface__["data"][0]] = held.size
        elif isinstance(held, torch.Tensor):
            arrays[held.data_ptr()] = held.numel()
        elif isinstance(held, Mapping):
            waiting.extend(held.values())
        elif isinstance(held, (list, tuple, set, frozenset, deque)):
            waiting.extend(held)
        elif isinstance(held, MethodType):
            waiting.append(held.__self__)
        elif isinstance(held, FunctionType):
            waiting.extend(cell.cell_contents for cell in held.__closure__ or ()
                           if cell != type(cell)())  # fmt: skip
        else:
            waiting.extend(getattr(held, "__dict__", {}).values())
            slots = (name for kind in type(held).__mro__ for name in _slots(kind))
            waiting.extend(getattr(held, name) for name in slots if hasattr(held, name))
    return sum(arrays.values())


def _slots(kind: type) -> tuple[str, ...]:
    names = vars(kind).get("__slots__", ())
    return (names,) if isinstance(names, str) else tuple(names)
