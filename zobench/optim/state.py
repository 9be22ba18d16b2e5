"""What an estimator remembers, as plain values: for checkpoints and for the record of a run.

Nothing is said estimator by estimator. An estimator is made anew from its settings; then every
attribute of it and of its parts (sampler, scheme, rule) that is a value is put back. Functions are
settings, and stay as they were made. What is neither raises BadInput. What was one object in two
places is one object afterwards.

Encoded values are None, bool, int, float, str, tensors, lists of such, and {"#": kind, ...} for all
else, so that `torch.load(weights_only=True)` takes them. A kind is one of ours or a class of the
estimator's own file. `restore` turns them back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np
import torch

from zobench.core.fixed import fixed
from zobench.core.params import Group, Params
from zobench.engine.tensors import TensorBlock
from zobench.engine.ties import overlapping
from zobench.errors import BadInput
from zobench.optim import classes, generators
from zobench.optim.functions import is_function, remembered
from zobench.registry import Entry

_PLAIN = (bool, int, float, str, type(None))
_SEQUENCES: dict[str, type] = {
    "tuple": tuple, "deque": deque, "set": set, "frozenset": frozenset
}  # fmt: skip
_MADE = {"#": "made"}  # as it was made with the settings
_BYTES = 8  # of an entry of an array, at most


class Writer:
    """Encodes the values of one state."""

    def __init__(self, entry: Entry | None = None) -> None:
        """`entry`: of the estimator whose values they are."""
        self.owner = f"{entry.name}: " if entry else ""
        self.module = entry.make.__module__ if entry else ""
        self.classes = classes.known(self.module)
        self._seen: dict[int, tuple[int, Any]] = {}  # by id: number, and the object, kept alive
        self._parts: set[int] = set()  # ids of the objects that are put back in place
        self._functions: list[tuple[Any, str]] = []
        self._arrays: list[tuple[str, torch.Tensor | np.ndarray]] = []

    def whole(self, thing: Any, blocks: Sequence[TensorBlock] = ()) -> dict[str, Any]:
        """All that an object holds. Raises BadInput for what cannot be saved."""
        self._seen[id(thing)] = 0, thing
        found = self._attributes(thing, "")
        for function, where in self._functions:
            for inside in remembered(function):
                if id(inside) not in self._parts:
                    raise self._refusal(
                        f"{where} is a function that holds a {type(inside).__name__}, which cannot "
                        "be saved; keep what is remembered in attributes of an object"
                    )
        shared = overlapping(self._arrays, [(b.name, b.tensor) for b in blocks])
        if shared:
            raise self._refusal(
                f"{shared[0]} and {shared[1]} share memory, and would not after loading, so that "
                "they cannot be saved; keep one of them, or copies"
            )
        return found

    def changing(self) -> dict[int, Any]:
        """The objects met so far that may change, by their ids."""
        stays = (TensorBlock, Group, Enum)
        found = {key: thing for key, (_, thing) in self._seen.items()}
        return {k: v for k, v in found.items() if not (isinstance(v, stays) or fixed(v))}

    def _attributes(self, thing: Any, path: str) -> dict[str, Any]:
        self._parts.add(id(thing))
        found = {}
        for name, value in classes.attributes(thing).items():
            told = self.value(value, f"{path}.{name}" if path else name)
            if told is not _MADE:
                found[name] = told
        return found

    def value(self, value: Any, where: str) -> Any:
        """One value, encoded. Raises BadInput, which names `where`."""
        if type(value) in _PLAIN:
            return value
        if isinstance(value, Params):
            return _MADE
        if is_function(value):
            self._functions.append((value, where))
            owner = getattr(value, "__self__", None)
            if id(owner) in self._seen or not classes.is_part(owner, self.module):
                return _MADE
            return {"#": "method", "of": self.value(owner, where)}
        if isinstance(value, np.generic) and _is_number(value):
            return {"#": "number", "type": value.dtype.name, "of": value.item()}
        if type(value) in (tuple, frozenset):
            return self._inside(value, where)
        if id(value) in self._seen:
            return {"#": "again", "of": self._seen[id(value)][0]}
        self._seen[id(value)] = len(self._seen), value
        return self._inside(value, where)

    def _inside(self, value: Any, where: str) -> Any:
        kind = type(value)
        if kind is torch.Tensor:
            self._arrays.append((where, value.detach()))
            return {"#": "tensor", "on": str(value.device), "of": value.detach().clone()}
        if kind is np.ndarray and _is_number(value):
            told = {"#": "array", "of": torch.from_numpy(np.array(value, order="K"))}
            if not value.flags.writeable:
                return told | {"locked": True}
            self._arrays.append((where, value))
            return told
        if kind is list:
            return [self.value(v, where) for v in value]
        for name, made in _SEQUENCES.items():
            if kind is made:
                ordered = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
                told = {"#": name, "of": [self.value(v, where) for v in ordered]}
                return told | {"longest": value.maxlen} if isinstance(value, deque) else told
        if kind is dict:
            pairs = [[self.value(k, where), self.value(v, where)] for k, v in value.items()]
            return {"#": "dict", "of": pairs}
        if kind in generators.BY_CLASS:
            name = generators.BY_CLASS[kind]
            return {"#": name, "of": self.value(generators.KINDS[name].tell(value), where)}
        if isinstance(value, TensorBlock):
            return {"#": "block", "of": value.index}
        name = classes.name_of(kind, self.classes)
        if name and isinstance(value, Enum):
            return {"#": name, "of": value.name}
        if name and classes.fields(kind) is not None:
            parts = [getattr(value, field) for field in classes.fields(kind) or ()]
            return {"#": name, "of": [self.value(part, where) for part in parts]}
        if classes.is_part(value, self.module):
            told = self._attributes(value, where)
            return {"#": "part", "kind": name or kind.__qualname__, "of": told}
        raise self._refusal(f"{where} is a {kind.__name__}, which cannot be saved")

    def _refusal(self, why: str) -> BadInput:
        return BadInput(self.owner + why)


def encode(value: Any, where: str, entry: Entry | None = None) -> Any:
    """A value that `restore.decode` turns back. Raises BadInput, which names `where`."""
    return Writer(entry).value(value, where)


def has_arrays(held: Any) -> bool:
    """Does an encoded value hold tensors or arrays?"""
    if isinstance(held, dict):
        return held.get("#") in ("tensor", "array") or any(map(has_arrays, held.values()))
    if isinstance(held, list):
        return any(map(has_arrays, held))
    return False


def _is_number(value: Any) -> bool:
    """Are its entries numbers that torch knows too?"""
    dtype = value.dtype
    return dtype.kind in "fiub" and dtype.itemsize <= _BYTES and dtype.isnative
