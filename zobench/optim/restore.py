"""From the plain values of a state back to what an estimator remembers: see `state`.

Nothing is imported, and no class is looked for outside of zobench and of the estimator's own file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import numpy as np
import torch

from zobench.engine.tensors import TensorBlock
from zobench.errors import BadInput
from zobench.optim import classes, generators
from zobench.registry import Entry


class Reader:
    """Decodes the values of one state."""

    def __init__(self, entry: Entry | None = None, blocks: Sequence[TensorBlock] = ()) -> None:
        """`entry`: of the estimator whose values they are. `blocks`: those of the params."""
        self.blocks = blocks
        self.classes = classes.known(entry.make.__module__ if entry else "")
        self._made: list[Any] = []  # in the order in which the writer met them
        self._placed: set[int] = set()

    def whole(self, thing: Any, told: Mapping[str, Any]) -> None:
        """Put back what `Writer.whole` told, into an estimator made with the same settings.

        Raises BadInput for what no writer told of such an estimator.
        """
        self._made.append(thing)
        try:
            self._attributes(thing, told)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
            raise BadInput(
                f"the state does not fit this estimator, or is damaged: {error}"
            ) from error

    def _attributes(self, thing: Any, told: Mapping[str, Any]) -> None:
        self._placed.add(id(thing))
        for name, held in told.items():
            if name.startswith("__"):
                raise ValueError(f"no attribute is named {name}")
            object.__setattr__(thing, name, self.value(held, getattr(thing, name, None)))

    def value(self, told: Any, here: Any = None) -> Any:
        """What was encoded. `here`: what a newly made estimator has in its place."""
        if isinstance(told, list):
            found: list[Any] = []
            self._made.append(found)
            found += self._several(told, here)
            return found
        if not isinstance(told, dict):
            return told
        kind, inside = told["#"], told.get("of", ())
        if kind == "made":
            if here is None:
                raise ValueError("it holds a function where a new one has none")
            return here
        if kind == "method":
            return type(here)(here.__func__, self.value(inside, here.__self__))
        if kind == "number":
            return np.dtype(told["type"]).type(inside)
        if kind in ("tuple", "frozenset"):
            return (tuple if kind == "tuple" else frozenset)(self._several(inside, here))
        if kind == "again":
            return self._made[inside]
        number = len(self._made)
        self._made.append(None)
        self._made[number] = found = self._inside(kind, inside, told, here, number)
        return found

    def _inside(self, kind: str, inside: Any, told: Any, here: Any, number: int) -> Any:
        if kind == "tensor":
            return _placed(inside, told["on"])
        if kind == "array":
            array = inside.cpu().numpy().copy(order="K")
            array.flags.writeable = not told.get("locked", False)
            return array
        if kind == "dict":
            there = here if isinstance(here, dict) else {}
            found = self._made[number] = {}
            for told_key, held in inside:
                key = self.value(told_key)
                found[key] = self.value(held, there.get(key))
            return found
        if kind == "set":
            return set(self._several(inside, here))
        if kind == "deque":
            found = self._made[number] = deque(maxlen=told.get("longest"))
            found.extend(self._several(inside, here))
            return found
        if kind in generators.KINDS:
            return generators.KINDS[kind].make(self.value(inside))
        if kind == "block":
            return self.blocks[inside]
        if kind == "part":
            made = self._made[number] = self._part(told.get("kind"), here)
            self._attributes(made, inside)
            return made
        found = self.classes[kind]
        if issubclass(found, Enum):
            return found[inside]
        names = classes.fields(found)
        if names is None or len(names) != len(inside):
            raise ValueError(f"{len(inside)} values do not make a {kind}")
        values = zip(names, inside)
        return found(**{name: self.value(v, getattr(here, name, None)) for name, v in values})

    def _several(self, told: Sequence[Any], here: Any) -> list[Any]:
        there = list(here) if isinstance(here, (list, tuple, deque)) else []
        there += [None] * (len(told) - len(there))
        return [self.value(v, h) for v, h in zip(told, there)]

    def _part(self, kind: str | None, here: Any) -> Any:
        """The object that a part is put back into: the one in its place, or a new one."""
        if here is not None and id(here) not in self._placed:
            name = classes.name_of(type(here), self.classes) or type(here).__qualname__
            if kind is None or kind == name:
                return here
        if kind is None or kind not in self.classes:
            raise ValueError(f"it holds a {kind} where a new one has none")
        return object.__new__(self.classes[kind])


def decode(told: Any, entry: Entry | None = None) -> Any:
    """What `state.encode` was given."""
    return Reader(entry).value(told)


def _placed(tensor: torch.Tensor, device: str) -> torch.Tensor:
    """A copy on the device it was on, or where it is now if there is no such device here."""
    try:
        return tensor.to(device, copy=True)
    except (RuntimeError, AssertionError):
        return tensor.clone()
