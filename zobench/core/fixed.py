"""Find values that cannot change: moves along such directions may wait, and equal ones merge."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import fields
from functools import lru_cache
from typing import Any, TypeVar

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
A = TypeVar("A", bound=np.ndarray)
SEEDED = frozenset((Noise, LowRank, Coordinate))  # made of numbers alone


def fixed(value: Any) -> bool:
    """Return True if no code can change the value, and it can be hashed.

    Such are frozen directions that hold only numbers, words, tuples and frozen sets of these,
    read-only arrays and other such directions.
    """
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
    parts = [getattr(value, name) for name in _fields(kind)]
    parts += getattr(value, "__dict__", {}).values()  # also what it made of its fields
    return all(map(fixed, parts)) and _hashable(value)


def waits(direction: Direction, blocks: Iterable[Block]) -> bool:
    """Return True if a move along the direction may wait.

    It may if the direction is fixed, and so are all primitives that it expands into. A direction of
    a user may hold a seed alone, and expand into an array that is stored elsewhere.
    """
    if not fixed(direction):
        return False
    return _ours(direction) or all(fixed(p) for b in blocks for _, p in direction.expand(b))


def _ours(direction: Direction) -> bool:
    """Return True if it is made of the core's directions alone, which expand into their fields."""
    if type(direction) is Recipe:
        return all(_ours(inner) for _, inner in direction.terms)
    if type(direction) is Restricted:
        return _ours(direction.inner)
    return type(direction).__module__ == Direction.__module__


def key(value: Any) -> Hashable:
    """Return the key of a direction or a primitive in a dict.

    It is the value itself if equal ones may merge, else its identity.
    """
    return value if type(value) in SEEDED or fixed(value) else id(value)


def locked(array: A) -> A:
    """Make an array read-only, so that moves along a direction that holds it may wait.

    Args:
        array: any array. It must not be a view of an array that is written to later.

    Returns:
        The same array.

    Example:
        >>> import numpy as np
        >>> direction = zobench.Dense(zobench.locked(np.ones(3)))
        >>> direction.vector.flags.writeable
        False
    """
    array.flags.writeable = False
    return array


def is_frozen(kind: type) -> bool:
    """Return True if the class itself, not only one of its bases, is a frozen dataclass."""
    facts = vars(kind).get("__dataclass_params__")
    return facts is not None and facts.frozen


@lru_cache(maxsize=256)
def _fields(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))


@lru_cache(maxsize=256)
def _compares(kind: type) -> bool:
    """Return True if two of them are equal only if all of their fields are."""
    return all(f.compare for f in fields(kind))


def _read_only(array: np.ndarray) -> bool:
    """Return True if neither it nor an array that it is a view of can be written to."""
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
