"""Data files of COCO and IOHprofiler: rows of numbers, split into runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zobench.errors import BadInput
from zobench.interchange.text import LARGEST, bad, lines, real, whole_number

Words = tuple[int, list[str] | None]  # the number of a line, its cells; None: a run begins
OLD = (
    "columns of IOHprofiler before 0.3.3, which hold values of f and no gaps to the optimum: "
    "log the runs again with a newer one"
)


@dataclass(frozen=True)
class RunRows:
    """The rows of a run."""

    queries: np.ndarray  # (n,), rising
    gaps: np.ndarray  # (n,), the lowest after so many queries
    last: int  # the evaluations of the last row
    fault: BadInput | None = None  # why the rows after that were not read


def coco_runs(path: Path) -> list[RunRows]:
    """Read the runs of a .dat file of COCO: each begins with lines of %; column 3 has the gaps.

    A fault in a run is stored with the run. Raises BadInput if the file is not a .dat file of COCO.
    """

    def rows() -> Iterator[Words]:
        for number, line in lines(path):
            if line.startswith("%"):
                yield number, None
            elif line.lstrip().startswith('"'):
                raise bad(path, number, OLD)
            elif line.strip():
                yield number, _cells(line)

    return _runs(path, rows(), 0, 2)


def ioh_runs(path: Path) -> list[RunRows]:
    """Read the runs of a .dat file of IOHprofiler: each begins with the names of the columns.

    A fault in a run is stored with the run. Raises BadInput if the file is not one of IOHprofiler.
    """
    column = 0  # of the gap; 0: unknown so far

    def rows() -> Iterator[Words]:
        nonlocal column
        for number, line in lines(path):
            words = line.split()
            if not line.endswith("\n") and words and not words[0].isdigit():
                return  # the file was cut within the names of columns
            if line.lstrip().startswith('"function'):
                raise bad(path, number, OLD)
            if words and words[0].strip('"') == "evaluations":
                columns = [word.strip('"') for word in words]
                of_gap = [n for n in ("raw_y_best", "raw_y") if n in columns]
                if not of_gap:
                    raise bad(path, number, "no column raw_y or raw_y_best")
                column = columns.index(of_gap[0])
                yield number, None
            elif words:
                if not column:
                    raise bad(path, number, "rows begin before a line 'evaluations raw_y ...'")
                if words[0] in ("1", "1.0"):  # a run may begin without the line of names
                    yield number, None
                cells = _cells(line)
                yield number, [*cells[:1], *cells[column : column + 1]]

    return _runs(path, rows(), 0, 1)


def _cells(line: str) -> list[str]:
    """Split a row; the last number of a line without an end may lack digits and is left out."""
    return line.split() if line.endswith("\n") else line.split()[:-1]


def _runs(path: Path, rows: Iterable[Words], query: int, gap: int) -> list[RunRows]:
    runs: list[tuple[list[int], list[float]]] = []
    faults: dict[int, BadInput] = {}  # by the number of the run
    has_begun, width = False, 0
    for number, words in rows:
        if words is None:
            has_begun = True
            continue
        if has_begun or not runs:
            runs.append(([], []))
            has_begun, width = False, max(query, gap) + 1
        if len(runs) in faults:
            continue
        queries, gaps = runs[-1]
        try:
            if len(words) < width:  # that of the rows above
                raise bad(path, number, f"{len(words)} columns, and {width} or more are needed")
            width = len(words)
            spent = whole_number(
                path, number, words[query], "the number of evaluations", 1, LARGEST
            )
            value = real(path, number, words[gap], "the gap to the optimum")
            if queries and spent < queries[-1]:
                raise bad(path, number, f"evaluations fall from {queries[-1]} to {spent}")
        except BadInput as error:
            faults[len(runs)] = error
            continue
        queries.append(spent)
        gaps.append(value)
    return [_lowest(*run, faults.get(number)) for number, run in enumerate(runs, 1)]


def _lowest(queries: list[int], gaps: list[float], fault: BadInput | None) -> RunRows:
    """Return a row per number of queries where the lowest gap falls, the first one at 1."""
    spent = np.array([1, *queries], dtype=np.int64)
    low = np.minimum.accumulate(
        np.nan_to_num([np.inf, *gaps], nan=np.inf, posinf=np.inf, neginf=np.inf)
    )
    last = np.append(spent[1:] != spent[:-1], True)
    spent, low = spent[last], low[last]
    falls = np.append(True, low[1:] < low[:-1])
    return RunRows(spent[falls], low[falls], queries[-1] if queries else 0, fault)
