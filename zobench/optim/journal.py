"""The writing side of a record: events as gzipped lines of JSON, in a file that grows."""

from __future__ import annotations

import json
import weakref
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zobench.core.directions import Direction, Probe, Recipe
from zobench.errors import BadInput
from zobench.optim import state

_SYNC = 256  # events between two writes to the disk


class _File:
    """A gzip file that grows: what was synced can be read, and nothing stays open in between."""

    def __init__(self, path: Path) -> None:
        try:
            path.open("xb").close()
        except FileExistsError:
            raise BadInput(f"{path} exists; a record is written to a new file") from None
        self.path = path.absolute()
        self._zip = zlib.compressobj(9, zlib.DEFLATED, 31)
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        self._parts.append(self._zip.compress(data))

    def sync(self, how: int = zlib.Z_SYNC_FLUSH) -> None:
        with self.path.open("ab") as file:
            file.write(b"".join(self._parts) + self._zip.flush(how))
        self._parts.clear()

    def close(self) -> None:
        self.sync(zlib.Z_FINISH)


class Journal:
    """Writes the events of a run. While `quiet`, what happens is part of an event to come."""

    def __init__(self, path: str | Path, header: dict[str, Any]) -> None:
        """Raises BadInput if there is such a file already."""
        self.path = Path(path)
        self._file = _File(self.path)
        self.close = weakref.finalize(self, self._file.close)  # also when the program ends
        self._quiet = self._since = 0
        self._t = header["t"] - 1  # the step of the last rule
        self._line(header)
        self.sync()

    @contextmanager
    def quiet(self) -> Iterator[None]:
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    def probes(self, probes: Sequence[Probe]) -> None:
        self._line(["p", *([float(s), _told(d)] for s, d in probes)])

    def rule(self, gradient: Recipe, t: int) -> None:
        """Step numbers are written where they do not follow each other (a step was skipped)."""
        if t != self._t + 1:
            self._line(["t", t])
        self._t = t
        self._line(["r", *([float(w), _told(d)] for w, d in gradient.terms)])

    def add(self, scale: float, direction: Direction) -> None:
        """A move of an estimator that has no rule."""
        if not self._quiet:
            self._line(["a", float(scale), _told(direction)])

    def rates(self, rates: Sequence[tuple[float, float]]) -> None:
        self._line(["l", *rates])

    def written(self) -> None:
        if not self._quiet:
            self.flushed()

    def flushed(self) -> None:
        """Moves that were delayed are written, if there are any."""
        self._line(["w"])

    def refuse(self) -> None:
        """An estimator without a rule moved by an array."""
        raise BadInput("only moves along seeded directions can be recorded, not arrays")

    def sync(self) -> None:
        """All events so far are in the file, and can be read."""
        if self._since:
            self._file.sync()
            self._since = 0

    def _line(self, event: Any) -> None:
        self._file.write((json.dumps(event, separators=(",", ":")) + "\n").encode())
        self._since += 1
        if self._since >= _SYNC:
            self.sync()


def _told(direction: Direction) -> Any:
    held = state.encode(direction, "a direction")
    if state.has_arrays(held):
        raise BadInput(
            f"a {type(direction).__name__} direction holds an array: only directions that replay "
            "from a seed can be recorded"
        )
    return held
