"""Write a record: events as gzipped lines of JSON, in a file that grows."""

from __future__ import annotations

import json
import weakref
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

import zobench
from zobench.core.directions import Direction, Mask, Probe, Recipe
from zobench.core.fixed import fixed
from zobench.errors import BadInput
from zobench.optim import state
from zobench.optim.masks import masks, with_mask
from zobench.registry import Entry

FORMAT = 2
CHECK = b'["c",'  # begins a line with the CRC-32 of all earlier lines but those of this kind
BY_ARRAYS = "only moves along seeded directions can be recorded, not arrays"
SYNCED = b"\0\0\xff\xff"  # the last bytes of a file that was synced (Z_SYNC_FLUSH), and not closed
_SYNC = 256  # events between two writes to the disk


def header(**facts: Any) -> dict[str, Any]:
    """Return the first line of a record."""
    versions = {"zobench": zobench.__version__, "torch": torch.__version__}
    return {"zobench trajectory": FORMAT, "versions": versions} | facts


class _File:
    """A gzip file that grows. Synced lines can be read, and the file is closed in between."""

    def __init__(self, path: Path) -> None:
        try:
            path.open("xb").close()
        except FileExistsError:
            raise BadInput(f"{path} exists; a record is written to a new file") from None
        self.path = path.absolute()
        self._zip = zlib.compressobj(9, zlib.DEFLATED, 31)
        self._parts: list[bytes] = []
        self._sum, self._since = 0, False

    def write(self, line: bytes) -> None:
        self._parts.append(self._zip.compress(line))
        self._sum, self._since = zlib.crc32(line, self._sum), True

    def sync(self, how: int = zlib.Z_SYNC_FLUSH) -> None:
        if self._since:
            self._parts.append(self._zip.compress(CHECK + b"%d]\n" % self._sum))
            self._since = False
        with self.path.open("ab") as file:
            file.write(b"".join(self._parts) + self._zip.flush(how))
        self._parts.clear()

    def close(self) -> None:
        self.sync(zlib.Z_FINISH)


class Journal:
    """Writes the events of a run. While `quiet`, moves are part of an event to come."""

    def __init__(self, path: str | Path, header: dict[str, Any], entry: Entry) -> None:
        """Begin a record with its header. Raises BadInput if the file exists."""
        self.path, self.entry = Path(path), entry
        self._file = _File(self.path)
        self.close = weakref.finalize(self, self._file.close)  # also when the program ends
        self._quiet = self._since = 0
        self._t = header["t"] - 1  # the step of the last rule
        self._mask: Mask | None = None  # the last one that was taken
        self._line(header)
        self.sync()

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Inside, moves and writes are not recorded."""
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    def loud(self) -> None:
        """End `quiet`, also where Ctrl-C has left its context half-way."""
        self._quiet = 0

    def probes(self, probes: Sequence[Probe]) -> None:
        """Record the probes of a call."""
        self._line(["p", *([float(s), self._encoded(d)] for s, d in probes)])

    def rule(self, gradient: Recipe, t: int) -> None:
        """Record a rule's step, and its number if that is not the next one."""
        if t != self._t + 1:
            self._line(["t", t])
        self._t = t
        self._line(["r", *([float(w), self._encoded(d)] for w, d in gradient.terms)])

    def add(self, scale: float, direction: Direction) -> None:
        """Record a move of an estimator that has no rule."""
        if not self._quiet:
            self._line(["a", float(scale), self._encoded(direction)])

    def rates(self, rates: Sequence[tuple[float, float]]) -> None:
        """Record (ratio, decayed fraction) of each parameter group."""
        self._line(["l", *rates])

    def written(self) -> None:
        """Record that delayed moves were written, unless `quiet`."""
        if not self._quiet:
            self.flushed()

    def flushed(self) -> None:
        """Record that delayed moves were written."""
        self._line(["w"])

    def ended(self, digest: str) -> None:
        """Record a hash of the weights at the end, which replayed weights are to have too."""
        self._line(["d", digest])

    def refuse(self) -> None:
        """Raise BadInput: an estimator without a rule moved by an array."""
        raise BadInput(BY_ARRAYS)

    def sync(self) -> None:
        """Write all events so far to the file, so that they can be read."""
        if self._since:
            self._file.sync()
            self._since = 0

    def _line(self, event: Any) -> None:
        self._file.write(line_of(event))
        self._since += 1
        if self._since >= _SYNC:
            self.sync()

    def masked(self, mask: Mask) -> None:
        """Record that a mask of the present weights was taken, which later directions have."""
        same = self._mask is not None and self._mask.thresholds == mask.thresholds
        self._line(["m"] if same else ["m", mask.thresholds])
        self._mask = mask

    def _encoded(self, direction: Direction) -> Any:
        if any(mask is not self._mask for mask in masks(direction)):
            raise BadInput(
                "a direction has a mask of weights as they were before: it cannot be recorded; "
                "take a mask with params.mask in each step"
            )
        return encoded(direction, self.entry)


def encoded(direction: Direction, entry: Entry) -> Any:
    """Encode a direction for an event. Raises BadInput for one that no seed replays."""
    name = type(direction).__name__
    if not fixed(direction):
        raise BadInput(
            f"a {name} direction cannot be recorded: only directions that replay from a seed can, "
            "which derive from zobench.core.directions.Direction, are frozen dataclasses, and hold "
            "no array"
        )
    bare = with_mask(direction, None) if any(True for _ in masks(direction)) else direction
    value = state.encode(bare, f"a {name} direction", entry)
    if state.has_arrays(value):
        raise BadInput(
            f"a {name} direction holds an array: only directions that replay from a seed can be "
            "recorded"
        )
    return value


def line_of(event: Any) -> bytes:
    """Encode a line of a record. Raises BadInput for a number that is not finite."""
    try:
        return (json.dumps(event, separators=(",", ":"), allow_nan=False) + "\n").encode()
    except ValueError:
        raise BadInput("a move by a number that is not finite cannot be recorded") from None
