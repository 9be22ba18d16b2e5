"""Decode the events of a record line by line, and check each before it is used."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from zobench.core.directions import (
    Coordinate,
    Direction,
    FixedMask,
    LowRank,
    Mask,
    Noise,
    Probe,
    RandomMask,
    Recipe,
    Restricted,
    add_terms,
    terms_of,
)
from zobench.core.fixed import fixed
from zobench.core.noise.layout import LAWS
from zobench.engine.tensor_block import TensorBlock
from zobench.optim.masks import masks, with_mask
from zobench.optim.restore import decode
from zobench.registry import Entry

UNSIGNED = range(1 << 64)
_DIGEST = re.compile("[0-9a-f]{32}")
MOST_RANK = 1 << 20
CORE = (Noise, LowRank, RandomMask, Coordinate)


class Decoder:
    """Decodes events. Raises an exception of any class for an event that no writer wrote."""

    def __init__(
        self,
        blocks: Sequence[TensorBlock],
        entry: Entry | None,
        has_rule: bool,
        groups: int,
        take: Callable[[Sequence[float]], Mask],
    ) -> None:
        """`take(thresholds)` returns the mask of the present weights, or one in its place."""
        self.blocks, self.entry = blocks, entry
        self.has_rule, self.groups, self.take = has_rule, groups, take
        self._mask: Mask | None = None
        self._last: tuple[Any, Direction | None] = None, None

    def event(self, line: Any) -> tuple[str, Any]:
        """Return the kind of an event, and what it holds."""
        kind, *facts = line
        if kind == "p":
            return kind, self._pairs(facts)
        if kind == "r" and self.has_rule:
            return kind, Recipe(tuple(self._pairs(facts)))
        if kind == "a":
            return kind, self._pairs([facts])[0]
        if kind == "l" and len(facts) == self.groups:
            return kind, [(_not_negative(ratio), _not_negative(part)) for ratio, part in facts]
        if kind == "t" and len(facts) == 1 and type(facts[0]) is int and facts[0] in UNSIGNED:
            return kind, facts[0]
        if kind == "w" and not facts:
            return kind, None
        if kind == "d":
            (digest,) = facts
            return kind, _digest(digest)
        if kind == "m":
            self._mask, self._last = self.take(self._thresholds(facts)), (None, None)
            return kind, None
        raise ValueError(f"{json.dumps(line)[:60]} is not an event")

    def _thresholds(self, facts: list[Any]) -> Sequence[float]:
        """Return the thresholds of a mask, one per block; by default those of the last mask."""
        if not facts and self._mask:
            return self._mask.thresholds
        (thresholds,) = facts
        if len(thresholds) != len(self.blocks):
            raise ValueError(f"{len(thresholds)} thresholds do not fit {len(self.blocks)} blocks")
        return tuple(_not_negative(threshold) for threshold in thresholds)

    def _pairs(self, facts: list[Any]) -> list[Probe]:
        return [(_number(scale), self._direction(value)) for scale, value in facts]

    def _direction(self, value: Any) -> Direction:
        """Decode a direction, and try it on the blocks it touches."""
        # a probe is followed by others along its direction, and by the move
        last_value, direction = self._last
        if direction is not None and value == last_value:
            return direction
        try:
            direction = decode(value, self.entry)
        except KeyError as error:
            raise ValueError(f"{error} is not a direction") from None
        if any(True for _ in masks(direction)):
            if self._mask is None:
                raise ValueError("a direction has a mask before one was taken")
            direction = with_mask(direction, self._mask)
        if not isinstance(direction, Direction) or not fixed(direction):
            raise ValueError(
                f"a {type(direction).__name__} is not a direction that can be recorded"
            )
        for leaf in self._leaves(direction):
            _check_fields(leaf)
            self._try(leaf)
        self._last = value, direction
        return direction

    def _leaves(self, direction: Direction) -> Iterator[Direction]:
        """Yield the directions that it is made of."""
        if not isinstance(direction, Direction):
            raise ValueError(f"a {type(direction).__name__} is not a direction")
        if type(direction) is Recipe:
            for weight, inner in direction.terms:
                _number(weight)
                yield from self._leaves(inner)
        elif type(direction) is Restricted:
            active = direction.active
            if type(active) is not frozenset or not {type(index) for index in active} <= {int}:
                raise ValueError("blocks are a set of numbers")
            yield from self._leaves(direction.inner)
        else:
            yield direction

    def _try(self, direction: Direction) -> None:
        """Expand a direction on a block of each number of axes, so that a wrong one raises."""
        tried: set[int] = set()
        for block in self.blocks:
            terms = ()
            if block.size and len(block.shape) not in tried:
                terms = tuple(terms_of(direction, block))
            if terms:
                tried.add(len(block.shape))
                add_terms(np.zeros(1, np.float32), terms, block, 0)


def parsed(line: bytes) -> Any:
    """Parse a line of JSON. Raises ValueError or RecursionError."""

    def refused(word: str) -> Any:
        raise ValueError(f"{word} is not a number")

    return json.loads(line.decode("utf-8"), parse_constant=refused)


def _digest(value: Any) -> str:
    if type(value) is not str or not _DIGEST.fullmatch(value):
        raise ValueError("a hash of weights has 32 hex digits")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{json.dumps(value)[:40]} is not a finite number")
    return float(value)


def _check_fields(leaf: Direction) -> None:
    """Raise ValueError for a direction of the core with fields that no estimator makes."""
    if isinstance(leaf, RandomMask | FixedMask):
        _check_fields(leaf.inner)
    integers = {
        name: getattr(leaf, name)
        for name in ("seed", "basis_seed", "mask_seed", "rank", "index")
        if type(leaf) in CORE and hasattr(leaf, name)
    }
    for name, value in integers.items():
        if type(value) is not int or not (value >= 1 if name == "rank" else abs(value) in UNSIGNED):
            raise ValueError(f"the {name} of a direction cannot be {value!r}")
    if type(leaf) is LowRank and leaf.rank > MOST_RANK:
        raise ValueError(f"a rank of {leaf.rank} is not one that an estimator uses")
    if type(leaf) is Noise and leaf.law not in LAWS:
        raise ValueError(f"{leaf.law!r} is not a law of noise")


def _not_negative(value: Any) -> float:
    if _number(value) < 0:
        raise ValueError(f"{value} is below 0")
    return value
