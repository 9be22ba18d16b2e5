"""Decode the plain values of a state into the attributes of an estimator; see `state`.

Nothing is imported, and classes come from zobench and from the estimator's own file only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import numpy as np
import torch

from zobench.engine.tensor_block import TensorBlock
from zobench.errors import BadInput
from zobench.optim import classes, generators
from zobench.registry import Entry


class Reader:
    """Decodes the values of one state."""

    def __init__(self, entry: Entry | None = None, blocks: Sequence[TensorBlock] = ()) -> None:
        """`entry` is that of the estimator whose values they are, `blocks` those of the params."""
        self.blocks = blocks
        self.classes = classes.classes_of(entry.make.__module__ if entry else "")
        self._made: list[Any] = []  # in the order in which the writer met them
        self._placed: set[int] = set()

    def fill(self, thing: Any, encoded: Mapping[str, Any]) -> None:
        """Set the attributes of an object that was made with the same settings.

        `encoded` is what `Writer.attributes` returned. Raises BadInput for anything else.
        """
        self._made.append(thing)
        try:
            self._attributes(thing, encoded)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
            raise BadInput(
                f"the state does not fit this estimator, or is damaged: {error}"
            ) from error

    def _attributes(self, thing: Any, encoded: Mapping[str, Any]) -> None:
        self._placed.add(id(thing))
        for name, inner in encoded.items():
            if name.startswith("__"):
                raise ValueError(f"no attribute is named {name}")
            object.__setattr__(thing, name, self.value(inner, getattr(thing, name, None)))

    def value(self, encoded: Any, here: Any = None) -> Any:
        """Decode a value. `here` is what a newly made estimator has in its place."""
        if isinstance(encoded, list):
            result: list[Any] = []
            self._made.append(result)
            result += self._several(encoded, here)
            return result
        if not isinstance(encoded, dict):
            return encoded
        kind, inside = encoded["#"], encoded.get("of", ())
        if kind == "made":
            if here is None:
                raise ValueError("it holds a function where a new one has none")
            return here
        if kind == "method":
            return type(here)(here.__func__, self.value(inside, here.__self__))
        if kind == "number":
            return np.dtype(encoded["type"]).type(inside)
        if kind in ("tuple", "frozenset"):
            return (tuple if kind == "tuple" else frozenset)(self._several(inside, here))
        if kind == "again":
            return self._made[inside]
        number = len(self._made)
        self._made.append(None)
        self._made[number] = result = self._inside(kind, inside, encoded, here, number)
        return result

    def _inside(self, kind: str, inside: Any, encoded: Any, here: Any, number: int) -> Any:
        if kind == "tensor":
            return _placed(inside, encoded["on"])
        if kind == "array":
            array = inside.cpu().numpy().copy(order="K")
            array.flags.writeable = not encoded.get("locked", False)
            return array
        if kind == "dict":
            there = here if isinstance(here, dict) else {}
            result = self._made[number] = {}
            for encoded_key, inner in inside:
                key = self.value(encoded_key)
                result[key] = self.value(inner, there.get(key))
            return result
        if kind == "set":
            return set(self._several(inside, here))
        if kind == "deque":
            result = self._made[number] = deque(maxlen=encoded.get("longest"))
            result.extend(self._several(inside, here))
            return result
        if kind in generators.KINDS:
            return generators.KINDS[kind].make(self.value(inside))
        if kind == "block":
            return self.blocks[inside]
        if kind == "part":
            part = self._made[number] = self._part(encoded.get("kind"), here)
            self._attributes(part, inside)
            return part
        result = self.classes[kind]
        if issubclass(result, Enum):
            return result[inside]
        names = classes.fields(result)
        if names is None or len(names) != len(inside):
            raise ValueError(f"{len(inside)} values do not make a {kind}")
        values = zip(names, inside)
        return result(**{name: self.value(v, getattr(here, name, None)) for name, v in values})

    def _several(self, encoded: Sequence[Any], here: Any) -> list[Any]:
        there = list(here) if isinstance(here, (list, tuple, deque)) else []
        there += [None] * (len(encoded) - len(there))
        return [self.value(v, h) for v, h in zip(encoded, there)]

    def _part(self, kind: str | None, here: Any) -> Any:
        """Return the object that a part is put back into: the one in its place, or a new one."""
        if here is not None and id(here) not in self._placed:
            name = classes.name_of(type(here), self.classes) or type(here).__qualname__
            if kind is None or kind == name:
                return here
        if kind is None or kind not in self.classes:
            raise ValueError(f"it holds a {kind} where a new one has none")
        return object.__new__(self.classes[kind])


def decode(encoded: Any, entry: Entry | None = None) -> Any:
    """Decode a value that `state.encode` returned."""
    return Reader(entry).value(encoded)


def _placed(tensor: torch.Tensor, device: str) -> torch.Tensor:
    """Return a copy on its former device, or on its present one if there is no such device."""
    try:
        return tensor.to(device, copy=True)
    except (RuntimeError, AssertionError):
        return tensor.clone()
