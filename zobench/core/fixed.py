"""What can no longer change. A move along such a direction may wait, and merges with equal ones."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import fields
from functools import lru_cache
from typing import Any

import numpy as np

from zobench.core.directions import (
    Block,
    Coordinate,
    Direction,
    LowRank,
    Mask,
    Noise,
    Recipe,
    Restricted,
)

# np.void is a record, whose entries can be set
_NUMPYS = frozenset(np.sctypeDict.values()) - {np.void, np.object_}
_VALUES = frozenset((int, float, bool, complex, str, bytes, type(None), *_NUMPYS))
SEEDED = frozenset((Noise, LowRank, Coordinate))  # made of numbers alone


def fixed(value: Any) -> bool:
    """Can nobody change it? True of frozen directions that hold only numbers, words, tuples and
    frozen sets of these, read-only arrays and other such directions; they can be hashed."""
    kind = type(value)
    if kind is Noise and type(value.seed) is int:  # by far the most common
        return True
    if kind in _VALUES:
        return True
    if kind is tuple or kind is frozenset:
        return _VALUES.issuperset(map(type, value)) or all(map(fixed, value))
    if kind is np.ndarray:
        return _read_only(value)
    if not isinstance(value, Direction | Mask) or not is_frozen(kind) or not _compares(kind):
        return False
    held = [getattr(value, name) for name in _fields(kind)]
    held += getattr(value, "__dict__", {}).values()  # also what it made of its fields
    return all(map(fixed, held)) and _hashable(value)


def waits(direction: Direction, blocks: Iterable[Block]) -> bool:
    """May a move along it wait? Where it is fixed, and all primitives that it expands into are.

    A class of one's own may hold a seed alone and expand into an array that is kept elsewhere.
    """
    if not fixed(direction):
        return False
    return _ours(direction) or all(fixed(p) for b in blocks for _, p in direction.expand(b))


def _ours(direction: Direction) -> bool:
    """Is it made of the core's directions alone? These expand into what they hold."""
    if type(direction) is Recipe:
        return all(_ours(inner) for _, inner in direction.terms)
    if type(direction) is Restricted:
        return _ours(direction.inner)
    return type(direction).__module__ == Direction.__module__


def key(value: Any) -> Hashable:
    """What stands for a direction or a primitive in a dict: itself where equal ones are one, else
    its identity."""
    return value if type(value) in SEEDED or fixed(value) else id(value)


def locked(array: np.ndarray) -> np.ndarray:
    """The array itself, made read-only: moves along a direction that holds it may wait."""
    array.flags.writeable = False
    return array


def is_frozen(kind: type) -> bool:
    """Is the class itself, not only one that it derives from, a frozen dataclass?"""
    facts = vars(kind).get("__dataclass_params__")
    return facts is not None and facts.frozen


@lru_cache(maxsize=256)
def _fields(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))


@lru_cache(maxsize=256)
def _compares(kind: type) -> bool:
    """Are two of them equal only if all of their fields are?"""
    return all(f.compare for f in fields(kind))


def _read_only(array: np.ndarray) -> bool:
    """Can it be written to neither here nor through an array that it is a view of?"""
    while isinstance(array, np.ndarray):
        if array.flags.writeable or array.dtype.hasobject:
            return False
        array = array.base  # pyright: ignore[reportAssignmentType] - None, or another owner
    return array is None or isinstance(array, bytes)


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
