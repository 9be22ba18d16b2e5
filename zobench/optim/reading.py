"""Read a record. All of it is checked before a weight moves."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from zobench.core.directions import Mask
from zobench.core.params import NORMAL
from zobench.engine.tensor_block import TensorBlock
from zobench.errors import BadInput
from zobench.optim.events import UNSIGNED, Decoder, parsed
from zobench.optim.journal import CHECK, FORMAT, SYNCED
from zobench.registry import Entry

LARGEST = 1 << 30  # bytes of a record, unpacked: some ten million steps
LONGEST = 1 << 26  # bytes of a line of it
_PIECE = 1 << 20

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
    """A record as read: its header, and its events up to the last checksum.

    `is_cut` is True if the file does not end where a write to it ended, so that bytes are lost.
    """

    def __init__(self, path: str | Path) -> None:
        """Read a file. Raises BadInput if it is not a record, has another format, or is damaged."""
        self.path = path
        text = self._text()
        lines = text.split(b"\n")
        self.head = self._header(lines[0])
        self._lines, has_more = self._checked(lines)
        self.is_cut = has_more or not self._is_whole

    def damaged(self, why: str) -> BadInput:
        """Return the error for a damaged record."""
        return BadInput(f"{self.path} is damaged, and no weight was moved: {why}")

    def events(
        self,
        blocks: Sequence[TensorBlock],
        entry: Entry | None,
        has_rule: bool,
        take: Callable[[Sequence[float]], Mask],
    ) -> Iterator[tuple[str, Any]]:
        """Yield (kind, what happened). Raises BadInput for an event that no writer wrote.

        `entry`: of the estimator, where it is known. `take`: gives the masks, see `Decoder`.
        """
        decoder = Decoder(blocks, entry, has_rule, len(self.head["members"]), take)
        for number, line in enumerate(self._lines):
            try:
                yield decoder.event(parsed(line))
            except Exception as error:  # whatever a direction of other numbers raises
                why = " ".join(str(error).split()) or type(error).__name__
                raise self.damaged(f"event {number + 1}: {why}") from error

    def _text(self) -> bytes:
        """Return the text, unpacked by pieces: a small file may unpack to more than the memory."""
        parts, size, line = [], 0, 0
        try:
            for part in self._parts():
                end = part.rfind(b"\n")
                size, line = size + len(part), len(part) - end - 1 + line * (end < 0)
                if size > LARGEST or line > LONGEST:
                    raise self._too_large(size > LARGEST)
                parts.append(part)
        except OSError as error:
            raise BadInput(f"{self.path} cannot be read: {error.strerror}") from error
        except zlib.error as error:
            raise self._no_record() from error
        return b"".join(parts)

    def _parts(self) -> Iterator[bytes]:
        unpacked, packed, part, last = zlib.decompressobj(31), b"-", b"", b""
        with Path(self.path).open("rb") as file:
            while packed or part:
                if not (packed := unpacked.unconsumed_tail):
                    packed = file.read(_PIECE)
                    last = (last + packed)[-len(SYNCED) :]
                yield (part := unpacked.decompress(packed, _PIECE))
                if unpacked.unused_data or (unpacked.eof and file.read(1)):
                    raise self.damaged("something stands after its end")
        self._is_whole = unpacked.eof or last == SYNCED

    def _too_large(self, in_all: bool) -> BadInput:
        most = f"{LARGEST if in_all else LONGEST:,} bytes"
        what = f"to more than {most}" if in_all else f"to a line of more than {most}"
        return BadInput(f"{self.path} unpacks {what}, which no record of a run does")

    def _no_record(self) -> BadInput:
        return BadInput(
            f"{self.path} is not a record of a run, or is damaged: ZerothOrder.record writes them"
        )

    def _header(self, line: bytes) -> dict[str, Any]:
        try:
            head = parsed(line)
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
        proper = {
            "t": head["t"] in UNSIGNED,
            "writes": head["writes"] in UNSIGNED,
            "blocks": all(map(_is_block, head["blocks"])),
            "members": _is_partition(head["members"], len(head["blocks"])),
            "ties": all(map(_is_names, head["ties"] or ())),
            "law": head.get("law", "gaussian") in NORMAL,  # records of zobench 0.2 have none
        }
        for name, right in proper.items():
            if not right:
                raise self.damaged(f"its header has no proper {name!r}")
        return head

    def _checked(self, lines: list[bytes]) -> tuple[list[bytes], bool]:
        """Return the events up to the last checksum, and True if there are more lines."""
        *lines, rest = lines
        checked, since, total = [], [], 0
        for line in lines:
            if not line.startswith(CHECK):
                since.append(line)
                total = zlib.crc32(line + b"\n", total)
                continue
            if line != CHECK + b"%d]" % total:
                raise self.damaged("a sum over its lines does not agree")
            checked += since
            since = []
        try:
            for line in since:
                parsed(line)
        except (ValueError, RecursionError) as error:
            raise self.damaged(f"a line does not belong to a record: {error}") from error
        if not checked:
            raise self.damaged("it is cut off in its header")
        return checked[1:], bool(since or rest)


def _is_block(value: Any) -> bool:
    kinds = [type(part) for part in value] if type(value) is list else []
    return kinds == [str, list, str] and all(type(n) is int for n in value[1])


def _is_names(value: Any) -> bool:
    return type(value) is list and all(type(name) is str for name in value)


def _is_partition(value: list[Any], count: int) -> bool:
    """Return True for lists of the numbers below `count`, each once."""
    inside = [number for part in value if type(part) is list for number in part]
    are_lists = all(type(part) is list for part in value) and all(type(n) is int for n in inside)
    return are_lists and sorted(inside) == list(range(count))
