"""Masks of weights in a record, which says when to take each of them from the weights again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from zobench.core.directions import Direction, FixedMask, Mask, Recipe, Restricted


def masks(direction: Direction) -> Iterator[Mask]:
    """Yield the masks of the directions that a direction is made of."""
    if type(direction) is FixedMask:
        yield direction.mask
    elif type(direction) is Restricted:
        yield from masks(direction.inner)
    elif type(direction) is Recipe:
        for _, inner in direction.terms:
            yield from masks(inner)


def with_mask(direction: Any, mask: Mask | None) -> Any:
    """Return the direction with this mask in place of each of its own."""
    if type(direction) is FixedMask:
        return replace(direction, mask=mask)
    if type(direction) is Restricted:
        return Restricted(with_mask(direction.inner, mask), direction.active)
    if type(direction) is Recipe:
        return Recipe(tuple((weight, with_mask(inner, mask)) for weight, inner in direction.terms))
    return direction
