"""The classes whose objects a state may hold: those of zobench and of the estimator's file."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

from zobench.core import directions
from zobench.core.fixed import is_frozen
from zobench.core.params import Group

_OURS: dict[str, type] = {
    kind.__name__: kind
    for kind in (*vars(directions).values(), Group)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind)
}
_OWN = "own "  # before the name of a class of the estimator's own file
_IN_PYTHON = 1 << 9  # the flag of a type that a class statement made


def classes_of(module: str) -> Mapping[str, type]:
    """Return classes by their name in a state. `module` is where the estimator is defined."""
    loaded = sys.modules.get(module)
    if loaded is None or _root(module) == "zobench":
        return _OURS
    own = {
        _OWN + name: kind
        for name, kind in vars(loaded).items()
        if isinstance(kind, type)
        and kind.__name__ == name
        and _root(kind.__module__) == _root(module)
    }
    return _OURS | own


def name_of(kind: type, classes: Mapping[str, type]) -> str | None:
    """Return the name of a class in `classes`, or None."""
    names = kind.__name__, _OWN + kind.__name__
    return next((name for name in names if classes.get(name) is kind), None)


def fields(kind: type) -> tuple[str, ...] | None:
    """Return the fields of a class of values (a frozen dataclass, a named tuple), or None."""
    if is_frozen(kind):
        return tuple(f.name for f in dataclasses.fields(kind) if f.init)
    return getattr(kind, "_fields", None) if issubclass(kind, tuple) else None


def is_part(value: Any, module: str) -> bool:
    """Return True for an object of zobench or of the estimator's file that is all attributes."""
    kind = type(value)
    return _root(kind.__module__) in ("zobench", _root(module)) and all(
        base is object or base.__flags__ & _IN_PYTHON for base in kind.__mro__
    )


def attributes(thing: Any) -> dict[str, Any]:
    """Return all attributes of the object itself, those in slots too."""
    slots = [name for base in type(thing).__mro__ for name in _slots(base) if hasattr(thing, name)]
    return {name: getattr(thing, name) for name in slots} | getattr(thing, "__dict__", {})


def _slots(kind: type) -> list[str]:
    slots = vars(kind).get("__slots__", ())
    names = [slots] if isinstance(slots, str) else list(slots)
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def _root(module: str) -> str:
    return module.partition(".")[0]
