"""The reading side of a record: all of it is checked before anybody moves a weight."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zobench.core.directions import Direction, Probe, Recipe, Restricted, add_terms
from zobench.core.fixed import fixed
from zobench.core.module import TensorBlock
from zobench.errors import BadInput
from zobench.optim.journal import CHECK, FORMAT
from zobench.optim.restore import decode

_WHOLE = range(1 << 63)
_FIELDS: dict[str, tuple[type, ...]] = {
    "estimator": (str,),
    "version": (str,),
    "settings": (dict,),
    "rule": (dict, type(None)),
    "t": (int,),
    "members": (list,),
    "writes": (int,),
    "rounding": (int, type(None)),
    "start": (str,),
    "blocks": (list,),
    "ties": (list, type(None)),
}


class Record:
    """A record as read: its header, and its events as far as they are whole.

    `cut`: does it end elsewhere than where it was written to?
    """

    def __init__(self, path: str | Path) -> None:
        """Raises BadInput for a file that is no record, of another format, or damaged."""
        self.path = path
        text = self._text()
        lines = text.split(b"\n")
        self.head = self._header(lines[0])
        self._lines, self.cut = self._checked(lines)

    def damaged(self, why: str) -> BadInput:
        """The error that says so."""
        return BadInput(f"{self.path} is damaged, and no weight was moved: {why}")

    def events(
        self, blocks: Sequence[TensorBlock], module: str, has_rule: bool
    ) -> Iterator[tuple[str, Any]]:
        """(kind, what happened), decoded. Raises BadInput for what no writer wrote.

        `module`: where the estimator is defined.
        """
        decoder = _Decoder(blocks, module, has_rule, len(self.head["members"]))
        for number, line in enumerate(self._lines):
            try:
                yield decoder.event(_parsed(line))
            except Exception as error:  # whatever a direction of other numbers raises
                why = " ".join(str(error).split()) or type(error).__name__
                raise self.damaged(f"event {number + 1}: {why}") from error

    def _text(self) -> bytes:
        unpacked = zlib.decompressobj(31)
        try:
            text = unpacked.decompress(Path(self.path).read_bytes())
        except OSError as error:
            raise BadInput(f"{self.path} cannot be read: {error.strerror}") from error
        except zlib.error as error:
            raise self._no_record() from error
        if unpacked.unused_data:
            raise self.damaged("something stands after its end")
        return text

    def _no_record(self) -> BadInput:
        return BadInput(
            f"{self.path} is no record of a run, or a damaged one: ZerothOrder.record writes them"
        )

    def _header(self, line: bytes) -> dict[str, Any]:
        try:
            head = _parsed(line)
            version = head["zobench trajectory"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._no_record() from error
        if version != FORMAT:
            raise BadInput(
                f"{self.path} has format {version}, and this version reads format {FORMAT}: replay "
                "it with the version of zobench that wrote it"
            )
        for name, kinds in _FIELDS.items():
            if type(head.get(name, ...)) not in kinds:
                raise self.damaged(f"its header has no proper {name!r}")
        count = len(head["blocks"])
        members = head["members"]
        proper = {
            "t": head["t"] in _WHOLE,
            "writes": head["writes"] in _WHOLE,
            "blocks": all(map(_is_block, head["blocks"])),
            "members": all(type(inside) is list for inside in members)
            and sorted(sum(members, []), key=str) == sorted(range(count), key=str),
        }
        for name, right in proper.items():
            if not right:
                raise self.damaged(f"its header has no proper {name!r}")
        return head

    def _checked(self, lines: list[bytes]) -> tuple[list[bytes], bool]:
        """The events up to the last sum that agrees, and whether there is more."""
        *lines, rest = lines
        known, since, total = [], [], 0
        for line in lines:
            if not line.startswith(CHECK):
                since.append(line)
                total = zlib.crc32(line + b"\n", total)
                continue
            if line != CHECK + b"%d]" % total:
                raise self.damaged("a sum over its lines does not agree")
            known += since
            since = []
        if not known:
            raise self.damaged("it is cut off in its header")
        return known[1:], bool(since or rest)


class _Decoder:
    def __init__(
        self, blocks: Sequence[TensorBlock], module: str, has_rule: bool, groups: int
    ) -> None:
        self.blocks, self.module = blocks, module
        self.has_rule, self.groups = has_rule, groups
        self._last: tuple[Any, Direction | None] = None, None

    def event(self, told: Any) -> tuple[str, Any]:
        kind, *facts = told
        if kind == "p":
            return kind, self._pairs(facts)
        if kind == "r" and self.has_rule:
            return kind, Recipe(tuple(self._pairs(facts)))
        if kind == "a":
            return kind, self._pairs([facts])[0]
        if kind == "l" and len(facts) == self.groups:
            return kind, [(_not_negative(ratio), _not_negative(part)) for ratio, part in facts]
        if kind == "t" and len(facts) == 1 and type(facts[0]) is int and facts[0] in _WHOLE:
            return kind, facts[0]
        if kind == "w" and not facts:
            return kind, None
        raise ValueError(f"no event is {json.dumps(told)[:60]}")

    def _pairs(self, facts: list[Any]) -> list[Probe]:
        return [(_number(scale), self._direction(told)) for scale, told in facts]

    def _direction(self, told: Any) -> Direction:
        """A direction that has been tried on the blocks it touches."""
        known, made = self._last  # a probe is followed by others along it, and by the move
        if made is not None and told == known:
            return made
        try:
            made = decode(told, self.module)
        except KeyError as error:
            raise ValueError(f"no direction is known as {error}") from None
        if not isinstance(made, Direction) or not fixed(made):
            raise ValueError(f"a {type(made).__name__} is no direction that can be recorded")
        for leaf in self._leaves(made):
            self._try(leaf)
        self._last = told, made
        return made

    def _leaves(self, direction: Direction) -> Iterator[Direction]:
        """The directions of which it is made."""
        if not isinstance(direction, Direction):
            raise ValueError(f"a {type(direction).__name__} is no direction")
        if type(direction) is Recipe:
            for weight, inner in direction.terms:
                _number(weight)
                yield from self._leaves(inner)
        elif type(direction) is Restricted:
            if not {type(index) for index in direction.active} <= {int}:
                raise ValueError("blocks are numbers")
            yield from self._leaves(direction.inner)
        else:
            yield direction

    def _try(self, direction: Direction) -> None:
        """Raises what a direction raises that cannot be."""
        for block in self.blocks:
            terms = tuple(direction.expand(block)) if block.size else ()
            if terms:
                add_terms(np.zeros(1, np.float32), terms, block, 0)
                return


def _parsed(line: bytes) -> Any:
    def refused(word: str) -> Any:
        raise ValueError(f"{word} is no number")

    return json.loads(line.decode("utf-8"), parse_constant=refused)


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{json.dumps(value)[:40]} is no finite number")
    return value


def _not_negative(value: Any) -> float:
    if _number(value) < 0:
        raise ValueError(f"{value} is below 0")
    return value


def _is_block(told: Any) -> bool:
    kinds = [type(part) for part in told] if type(told) is list else []
    return kinds == [str, list, str] and all(type(n) is int for n in told[1])
