"""Runs of an index file, compared with the rows of its data file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zobench.errors import BadInput
from zobench.interchange.curve import Curve
from zobench.interchange.read_rows import RunRows
from zobench.interchange.text import bad

MOST = 9  # faults that have a note of their own


@dataclass(frozen=True)
class IndexEntry:
    """The facts of a run in an index file."""

    instance: int
    evaluations: int  # 0 for a run that did not finish
    gap: float  # the lowest; NaN if the index does not say
    has_finished: bool = True


class Omissions:
    """Collects what is left out, for notes: one per reason, over all files."""

    def __init__(self) -> None:
        self._runs: dict[str, list[tuple[int, str]]] = {}  # reason -> (number of runs, file) each
        self._faults: list[str] = []
        self._lists: dict[tuple, list[tuple[list[Curve], Path]]] = {}  # by case of the curves

    def runs(self, count: int, reason: str, where: str) -> None:
        """Note that `count` runs of a file are left out; `reason` continues "3 runs"."""
        if count > 0:
            self._runs.setdefault(reason, []).append((count, where))

    def without_copies(self, curves: list[Curve], file: Path) -> list[Curve]:
        """Return those curves of a data file that no earlier copy of it has given."""
        if not curves:
            return curves
        others = self._lists.setdefault(curves[0].case, [])
        copies = [other for other in others if all(map(_is_same, other[0], curves))]
        others.append((curves, file))
        if not copies:
            return curves
        longest, other_file = max(copies, key=lambda copy: len(copy[0]))
        reason = "that other data files hold as well, and that count once"
        self.runs(min(len(longest), len(curves)), reason, f"{file}, as {other_file}")
        return curves[len(longest) :]

    def fault(self, error: BadInput) -> None:
        """Note a run, a file or a part of it that cannot be read."""
        self._faults.append(str(error))

    def notes(self) -> list[str]:
        """Return what is left out, in words; faults come first."""
        notes = [f"not read: {fault}" for fault in self._faults[:MOST]]
        if (more := len(self._faults) - MOST) > 0:
            notes.append(f"not read: {more} more runs or parts of files")
        for reason, parts in self._runs.items():
            count, others = sum(n for n, _ in parts), len(parts) - 1
            files = f" and {others} other file{'s' * (others > 1)}" if others else ""
            notes.append(f"{count} run{'s' * (count > 1)} {reason}: {parts[0][1]}{files}")
        return notes

    def first_reason(self) -> str:
        """Return the first reason, for data without any run; "" if nothing is left out."""
        return next(iter([*self._faults, *(f"no runs: {note}" for note in self.notes())]), "")


def matched_curves(
    index: tuple[Path, int],
    entries: Sequence[IndexEntry],
    data: tuple[Path, Sequence[RunRows]],
    agree: Callable[[float, float], bool],
    omissions: Omissions,
    make: Callable[..., Curve],
) -> list[Curve]:
    """Return the curves of a data file, without copies of earlier files.

    Args:
        index: the index file, and the line of its entries.
        entries: the runs that it lists. One that did not finish may have rows or none.
        data: the data file, and its runs.
        agree: True if two lowest gaps agree, that of the index and that of the rows.
        omissions: collects the runs that are left out.
        make: makes a curve of the file from its instance, queries, gaps and length.
    """
    curves = [
        make(
            instance=entry.instance, queries=rows.queries, gaps=rows.gaps, length=entry.evaluations
        )
        for entry, rows in _matched_runs(index, entries, data, agree, omissions)
    ]
    return omissions.without_copies(curves, data[0])


def _matched_runs(
    index: tuple[Path, int],
    entries: Sequence[IndexEntry],
    data: tuple[Path, Sequence[RunRows]],
    agree: Callable[[float, float], bool],
    omissions: Omissions,
) -> list[tuple[IndexEntry, RunRows]]:
    """Return the finished runs on which the index file and the data file agree, in order."""
    (path, line), (file, runs) = index, data
    position = f"{path} line {line}"
    with_rows = [entry for entry in entries if entry.evaluations or not entry.has_finished]
    finished = [entry for entry in with_rows if entry.has_finished]
    omissions.runs(len(entries) - len(with_rows), "of 0 evaluations left out", position)
    omissions.runs(len(with_rows) - len(finished), "that did not finish left out", position)
    if len(runs) <= len(finished):
        with_rows = finished
    unlisted, rowless = len(runs) - len(with_rows), len(with_rows) - len(runs)
    omissions.runs(unlisted, f"that {path.name} does not list left out", str(file))
    omissions.runs(rowless, f"without rows in {file.name} left out", position)
    matches, short = [], 0
    for entry, rows in zip(with_rows, runs):
        low = float(rows.gaps[-1])
        if not entry.has_finished:
            continue
        if rows.fault:
            omissions.fault(rows.fault)
        elif rows.last > entry.evaluations or not agree(entry.gap, low):
            fault = (
                f"instance {entry.instance} has {entry.evaluations} evaluations and a lowest gap "
                f"of {entry.gap:.6g}, but {file.name} ends at {rows.last} and {low:.6g}"
            )
            omissions.fault(bad(path, line, fault))
        else:
            short += rows.last < entry.evaluations
            matches.append((entry, rows))
    omissions.runs(short, "without a row at the last evaluation: rows may be missing", str(file))
    return matches


def _is_same(one: Curve, other: Curve) -> bool:
    facts = (one.instance, one.length) == (other.instance, other.length)
    rows = np.array_equal(one.queries, other.queries)
    return facts and rows and np.array_equal(one.gaps, other.gaps)
