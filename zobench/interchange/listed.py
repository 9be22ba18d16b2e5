"""The runs that an index file lists, held against the rows of its data file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zobench.errors import BadInput
from zobench.interchange.curve import Curve
from zobench.interchange.read_rows import Rows
from zobench.interchange.text import bad

MOST = 9  # faults that are told one by one


@dataclass(frozen=True)
class Entry:
    """What an index lists of a run. `evaluations`: 0 where the run was not finished."""

    instance: int
    evaluations: int
    gap: float  # the lowest; NaN where it is not listed
    finished: bool = True


class Left:
    """Collects what is left out. The same reason makes one note, however many files it is about."""

    def __init__(self) -> None:
        self._runs: dict[str, list[tuple[int, str]]] = {}  # what is said -> (runs, file) of each
        self._faults: list[str] = []
        self._taken: dict[tuple, list[tuple[list[Curve], Path]]] = {}  # the same function's lists

    def runs(self, count: int, said: str, where: str) -> None:
        """`count` runs of a file, `where`; `said` goes on from "3 runs"."""
        if count > 0:
            self._runs.setdefault(said, []).append((count, where))

    def once(self, curves: list[Curve], file: Path) -> list[Curve]:
        """Those of a data file that no copy of it has given, whole or with fewer runs."""
        if not curves:
            return curves
        c = curves[0]
        place = (c.algorithm, c.suite, c.function, c.name, c.dimension)
        others = self._taken.setdefault(place, [])
        copies = [known for known in others if all(map(_same, known[0], curves))]
        others.append((curves, file))
        if not copies:
            return curves
        known, other = max(copies, key=lambda copy: len(copy[0]))
        said = "that other data files hold as well, and that count once"
        self.runs(min(len(known), len(curves)), said, f"{file}, as {other}")
        return curves[len(known) :]

    def fault(self, error: BadInput) -> None:
        """A run, a file or a part of it that cannot be read."""
        self._faults.append(str(error))

    def notes(self) -> list[str]:
        """What was left out, in words; faults come first."""
        found = [f"not read: {fault}" for fault in self._faults[:MOST]]
        if (more := len(self._faults) - MOST) > 0:
            found.append(f"not read: {more} more runs or parts of files")
        for said, places in self._runs.items():
            count, others = sum(n for n, _ in places), len(places) - 1
            files = f" and {others} other file{'s' * (others > 1)}" if others else ""
            found.append(f"{count} run{'s' * (count > 1)} {said}: {places[0][1]}{files}")
        return found

    def why(self) -> str:
        """The first reason, where no run is left; "" where nothing was left out."""
        return next(iter([*self._faults, *(f"no runs: {note}" for note in self.notes())]), "")


def _same(one: Curve, other: Curve) -> bool:
    facts = (one.instance, one.length) == (other.instance, other.length)
    rows = np.array_equal(one.queries, other.queries)
    return facts and rows and np.array_equal(one.gaps, other.gaps)


def finished(
    index: tuple[Path, int],
    entries: Sequence[Entry],
    data: tuple[Path, Sequence[Rows]],
    agree: Callable[[float, float], bool],
    left: Left,
) -> list[tuple[Entry, Rows]]:
    """The runs that both files hold and agree on, in order; `left` is told of the others.

    `index`: the file that lists `entries`, and its line. `data`: the data file and its runs. A run
    that was not finished has rows there or none. `agree(listed gap, gap of the rows)`.
    """
    (path, line), (file, runs) = index, data
    where = f"{path} line {line}"
    made = [entry for entry in entries if entry.evaluations or not entry.finished]
    ended = [entry for entry in made if entry.finished]
    left.runs(len(entries) - len(made), "of 0 evaluations left out", where)
    left.runs(len(made) - len(ended), "that did not finish left out", where)
    if len(runs) <= len(ended):
        made = ended
    left.runs(len(runs) - len(made), f"that {path.name} does not list left out", str(file))
    left.runs(len(made) - len(runs), f"without rows in {file.name} left out", where)
    found, early = [], 0
    for entry, rows in zip(made, runs):
        low = float(rows.gaps[-1])
        if not entry.finished:
            continue
        if rows.fault:
            left.fault(rows.fault)
        elif rows.last > entry.evaluations or not agree(entry.gap, low):
            said = (
                f"instance {entry.instance} has {entry.evaluations} evaluations and a lowest gap "
                f"of {entry.gap:.6g}, but {file.name} ends at {rows.last} and {low:.6g}"
            )
            left.fault(bad(path, line, said))
        else:
            early += rows.last < entry.evaluations
            found.append((entry, rows))
    left.runs(early, "without a row at the last evaluation: rows may be missing", str(file))
    return found
