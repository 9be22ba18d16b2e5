"""What an estimator remembers, as plain values: for checkpoints and for the record of a run.

Nothing is said estimator by estimator. An estimator is made anew from its settings; then every
attribute of it and of its parts (sampler, scheme, rule) that is a value is put back. Functions are
settings, and stay as they were made. What is neither raises BadInput.

Encoded values are None, bool, int, float, str, tensors, lists of such, and {"#": kind, ...} for all
else, so that `torch.load(weights_only=True)` takes them.
"""

from __future__ import annotations

import dataclasses
import types
from collections import deque
from functools import partial
from typing import Any

import numpy as np
import torch

from zobench.core import directions
from zobench.core.params import Params
from zobench.errors import BadInput

_PLAIN = (bool, int, float, str, type(None))
_SEQUENCES: dict[str, type] = {
    "tuple": tuple, "deque": deque, "set": set, "frozenset": frozenset
}  # fmt: skip
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, partial, type)
_OURS: dict[str, Any] = {n: c for n, c in vars(directions).items() if dataclasses.is_dataclass(c)}


def encode(value: Any, where: str) -> Any:
    """A value that `decode` turns back. Raises BadInput, which names `where`."""
    if isinstance(value, np.generic):
        value = value.item()
    if type(value) in _PLAIN:
        return value
    if isinstance(value, torch.Tensor):
        return {"#": "tensor", "on": str(value.device), "of": value.detach().clone()}
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return {"#": "array", "of": torch.from_numpy(value.copy())}
    if type(value) is list:
        return [encode(v, where) for v in value]
    for kind, made in _SEQUENCES.items():
        if type(value) is made:
            inside = sorted(value) if isinstance(value, (set, frozenset)) else value
            return {"#": kind, "of": [encode(v, where) for v in inside]}
    if type(value) is dict:
        pairs = [[encode(k, where), encode(v, where)] for k, v in value.items()]
        return {"#": "dict", "of": pairs}
    kind = type(value).__name__
    if _OURS.get(kind) is type(value):
        parts = [encode(getattr(value, f.name), where) for f in dataclasses.fields(_OURS[kind])]
        return {"#": kind, "of": parts}
    raise BadInput(f"{where} is a {kind}, which cannot be saved")


def decode(value: Any) -> Any:
    """What `encode` was given."""
    if isinstance(value, list):
        return [decode(v) for v in value]
    if not isinstance(value, dict):
        return value
    kind, inside = value["#"], value["of"]
    if kind == "tensor":
        return _placed(inside, value["on"])
    if kind == "array":
        return inside.cpu().numpy().copy()
    if kind == "dict":
        return {decode(k): decode(v) for k, v in inside}
    if kind in _SEQUENCES:
        return _SEQUENCES[kind](decode(v) for v in inside)
    return _OURS[kind](*(decode(v) for v in inside))


def state(thing: Any, owner: str, path: str = "") -> dict[str, Any]:
    """The attributes of an estimator and its parts, encoded. Raises BadInput, naming `owner`."""
    held = {}
    for name, value in vars(thing).items():
        where = f"{path}.{name}" if path else name
        if isinstance(value, Params):
            continue
        if isinstance(value, _FUNCTIONS):
            _check_closure(value, f"{owner}: {where}")
        elif _is_part(value, owner_module=type(thing).__module__):
            held[name] = {"#": "part", "of": state(value, owner, where)}
        else:
            held[name] = encode(value, f"{owner}: {where}")
    return held


def restore(thing: Any, held: dict[str, Any]) -> None:
    """Put back what `state` told, into an estimator made with the same settings."""
    for name, value in held.items():
        if isinstance(value, dict) and value["#"] == "part":
            restore(getattr(thing, name), value["of"])
        else:
            setattr(thing, name, decode(value))


def has_arrays(held: Any) -> bool:
    """Does an encoded value hold tensors or arrays?"""
    if isinstance(held, dict):
        return held.get("#") in ("tensor", "array") or any(map(has_arrays, held.values()))
    if isinstance(held, list):
        return any(map(has_arrays, held))
    return False


def _is_part(value: Any, owner_module: str) -> bool:
    """Is it an object of ours, or of the file that its owner comes from, with attributes?"""
    module = type(value).__module__
    ours = module.startswith("zobench.") or module == owner_module
    return ours and hasattr(value, "__dict__") and not isinstance(value, _FUNCTIONS)


def _check_closure(function: Any, where: str) -> None:
    """Raises BadInput for a function that remembers things in a list, a dict or the like."""
    for cell in getattr(function, "__closure__", None) or ():
        try:
            inside = cell.cell_contents
        except ValueError:  # empty
            continue
        if isinstance(inside, (list, dict, set, deque, np.ndarray, torch.Tensor)):
            raise BadInput(
                f"{where} is a function that holds a {type(inside).__name__}, which cannot be "
                "saved; keep what is remembered in attributes of an object"
            )


def _placed(tensor: torch.Tensor, device: str) -> torch.Tensor:
    """A copy on the device it was on, or where it is now if there is no such device here."""
    try:
        return tensor.to(device, copy=True)
    except (RuntimeError, AssertionError):
        return tensor.clone()
