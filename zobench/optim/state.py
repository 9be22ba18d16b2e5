"""Encode the attributes of an estimator as plain values, for checkpoints and for records.

The encoding needs no code per estimator. To restore one, it is made from its settings; then every
attribute of it and of its parts (sampler, scheme, rule) that is a value is set. Functions are
settings, and stay as they were made. Anything else raises BadInput. An object that stands in two
places is one object afterwards.

Encoded values are None, bool, int, float, str, tensors, lists of such, and {"#": kind, ...} for
others, so that `torch.load(weights_only=True)` takes them. A kind is one of zobench, or a class of
the estimator's own file. `restore` decodes them.
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
from zobench.engine.tensor_block import TensorBlock
from zobench.engine.ties import overlapping
from zobench.errors import BadInput
from zobench.optim import classes, generators
from zobench.optim.functions import changeable, is_function
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
        """`entry` is that of the estimator whose values they are."""
        self.owner = f"{entry.name}: " if entry else ""
        self.module = entry.make.__module__ if entry else ""
        self.classes = classes.classes_of(self.module)
        self._numbers: dict[
            int, tuple[int, Any]
        ] = {}  # by id: number, and the object, so that it stays alive
        self._parts: set[int] = set()  # ids of the objects that are put back in place
        self._functions: list[tuple[Any, str]] = []
        self._arrays: list[tuple[str, torch.Tensor | np.ndarray]] = []

    def attributes(self, thing: Any, blocks: Sequence[TensorBlock] = ()) -> dict[str, Any]:
        """Encode all attributes of an object. Raises BadInput for one that cannot be saved.

        Arrays of it may not share memory with `blocks`.
        """
        self._numbers[id(thing)] = 0, thing
        result = self._attributes(thing, "")
        for function, where in self._functions:
            for inside in changeable(function):
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
        return result

    def changing(self) -> dict[int, Any]:
        """Return the objects met so far that may change, by their ids."""
        constant = (TensorBlock, Group, Enum)
        result = {key: thing for key, (_, thing) in self._numbers.items()}
        return {k: v for k, v in result.items() if not (isinstance(v, constant) or fixed(v))}

    def _attributes(self, thing: Any, path: str) -> dict[str, Any]:
        self._parts.add(id(thing))
        result = {}
        for name, value in classes.attributes(thing).items():
            encoded = self.value(value, f"{path}.{name}" if path else name)
            if encoded is not _MADE:
                result[name] = encoded
        return result

    def value(self, value: Any, where: str) -> Any:
        """Encode one value. Raises BadInput, which names `where`."""
        if type(value) in _PLAIN:
            return value
        if isinstance(value, Params):
            return _MADE
        if is_function(value):
            self._functions.append((value, where))
            owner = getattr(value, "__self__", None)
            if id(owner) in self._numbers or not classes.is_part(owner, self.module):
                return _MADE
            return {"#": "method", "of": self.value(owner, where)}
        if isinstance(value, np.generic) and _is_number(value):
            return {"#": "number", "type": value.dtype.name, "of": value.item()}
        if type(value) in (tuple, frozenset):
            return self._inside(value, where)
        if id(value) in self._numbers:
            return {"#": "again", "of": self._numbers[id(value)][0]}
        self._numbers[id(value)] = len(self._numbers), value
        return self._inside(value, where)

    def _inside(self, value: Any, where: str) -> Any:
        kind = type(value)
        if kind is torch.Tensor:
            self._arrays.append((where, value.detach()))
            return {"#": "tensor", "on": str(value.device), "of": value.detach().clone()}
        if kind is np.ndarray and _is_number(value):
            encoded = {"#": "array", "of": torch.from_numpy(np.array(value, order="K"))}
            if not value.flags.writeable:
                return encoded | {"locked": True}
            self._arrays.append((where, value))
            return encoded
        if kind is list:
            return [self.value(v, where) for v in value]
        for name, made in _SEQUENCES.items():
            if kind is made:
                ordered = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
                encoded = {"#": name, "of": [self.value(v, where) for v in ordered]}
                return encoded | {"longest": value.maxlen} if isinstance(value, deque) else encoded
        if kind is dict:
            pairs = [[self.value(k, where), self.value(v, where)] for k, v in value.items()]
            return {"#": "dict", "of": pairs}
        if kind in generators.BY_CLASS:
            name = generators.BY_CLASS[kind]
            return {"#": name, "of": self.value(generators.KINDS[name].encode(value), where)}
        if isinstance(value, TensorBlock):
            return {"#": "block", "of": value.index}
        name = classes.name_of(kind, self.classes)
        if name and isinstance(value, Enum):
            return {"#": name, "of": value.name}
        if name and classes.fields(kind) is not None:
            parts = [getattr(value, field) for field in classes.fields(kind) or ()]
            return {"#": name, "of": [self.value(part, where) for part in parts]}
        if classes.is_part(value, self.module):
            encoded = self._attributes(value, where)
            return {"#": "part", "kind": name or kind.__qualname__, "of": encoded}
        raise self._refusal(f"{where} is a {kind.__name__}, which cannot be saved")

    def _refusal(self, why: str) -> BadInput:
        return BadInput(self.owner + why)


def encode(value: Any, where: str, entry: Entry | None = None) -> Any:
    """Encode a value for `restore.decode`. Raises BadInput, which names `where`."""
    return Writer(entry).value(value, where)


def has_arrays(encoded: Any) -> bool:
    """Return True if an encoded value holds tensors or arrays."""
    if isinstance(encoded, dict):
        return encoded.get("#") in ("tensor", "array") or any(map(has_arrays, encoded.values()))
    if isinstance(encoded, list):
        return any(map(has_arrays, encoded))
    return False


def _is_number(value: Any) -> bool:
    """Return True if its entries are of a type that torch has too."""
    dtype = value.dtype
    return dtype.kind in "fiub" and dtype.itemsize <= _BYTES and dtype.isnative
