"""Find values that cannot change: moves along such directions may wait, and equal ones merge."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from zobench.core.directions import (
    Block,
    Coordinate,
    Direction,
    FixedMask,
    LowRank,
    Mask,
    Noise,
    RandomMask,
    Recipe,
    Restricted,
    Term,
    terms_of,
)

# np.void is a record, whose entries can be set
_NUMPYS = frozenset(np.sctypeDict.values()) - {np.void, np.object_}
_VALUES = frozenset((int, float, bool, complex, str, bytes, type(None), *_NUMPYS))
A = TypeVar("A", bound=np.ndarray)
SEEDED = frozenset((Noise, LowRank, Coordinate))  # made of numbers alone
_AROUND_ONE = (Restricted, RandomMask, FixedMask)


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


def waits(direction: Direction) -> bool:
    """Return True if a move along the direction may wait.

    It may if the direction is fixed, and made of zobench's own directions, which depend on their
    fields only. A direction of a user may hold a seed alone, and read what is stored elsewhere.
    """
    return fixed(direction) and _is_own(direction)


@dataclass(frozen=True, slots=True)
class Expanded(Direction):
    """The expansion of a direction at the time when it was probed.

    Args:
        terms: pairs (weight, primitive) of each block of the point.
    """

    terms: tuple[tuple[Term, ...], ...]

    def expand(self, block: Block) -> Sequence[Term]:
        return self.terms[block.index]


def settled(direction: Direction, blocks: Sequence[Block]) -> Direction:
    """Return the direction, or its stored expansion, for moves that may wait.

    It is the direction itself, or what a user's direction expands into now, if that is made of
    zobench's own directions and cannot change.
    """
    if _is_own(direction) or not fixed(direction):
        return direction
    terms = tuple(tuple(terms_of(direction, b)) for b in blocks)
    can_wait = all(fixed(w) and fixed(p) and _is_own(p) for pairs in terms for w, p in pairs)
    return Expanded(terms) if can_wait else direction


def _is_own(direction: object) -> bool:
    """Return True if it is made of directions that zobench defines."""
    kind = type(direction)
    if kind in SEEDED:
        return True
    if isinstance(direction, Recipe) and not all(_is_own(inner) for _, inner in direction.terms):
        return False
    if isinstance(direction, _AROUND_ONE) and not _is_own(direction.inner):
        return False
    return kind.__module__.startswith("zobench.")


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
