"""Data files of COCO and IOHprofiler: rows of numbers, cut into runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zobench.errors import BadInput
from zobench.interchange.text import LARGEST, bad, lines, real, whole

Words = tuple[int, list[str] | None]  # line number, its cells; None: a run begins
OLD = (
    "columns of IOHprofiler before 0.3.3, which hold values of f and no gaps to the optimum: "
    "log the runs again with a newer one"
)


@dataclass(frozen=True)
class Rows:
    """A run: the lowest gaps (n,) after so many queries (n,), and the evaluations of its last row.

    `fault`: why its rows from there on were not read.
    """

    queries: np.ndarray
    gaps: np.ndarray
    last: int
    fault: BadInput | None = None


def coco_runs(path: Path) -> list[Rows]:
    """The runs of a .dat file of COCO: each begins with lines of %; gaps are the third column.

    Raises BadInput where the file is not one; what is wrong in a run is kept with the run.
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


def ioh_runs(path: Path) -> list[Rows]:
    """The runs of a .dat file of IOHprofiler: each begins with the names of the columns.

    Raises BadInput where the file is not one; what is wrong in a run is kept with the run.
    """
    at = 0  # the column of the gap; 0: not yet known

    def rows() -> Iterator[Words]:
        nonlocal at
        for number, line in lines(path):
            words = line.split()
            if not line.endswith("\n") and words and not words[0].isdigit():
                return  # cut among the names of columns
            if line.lstrip().startswith('"function'):
                raise bad(path, number, OLD)
            if words and words[0].strip('"') == "evaluations":
                columns = [word.strip('"') for word in words]
                wanted = [n for n in ("raw_y_best", "raw_y") if n in columns]
                if not wanted:
                    raise bad(path, number, "no column raw_y or raw_y_best")
                at = columns.index(wanted[0])
                yield number, None
            elif words:
                if not at:
                    raise bad(path, number, "rows begin before a line 'evaluations raw_y ...'")
                if words[0] in ("1", "1.0"):  # a run may begin without the line of names
                    yield number, None
                cells = _cells(line)
                yield number, [*cells[:1], *cells[at : at + 1]]

    return _runs(path, rows(), 0, 1)


def _cells(line: str) -> list[str]:
    """The cells of a row; a line without an end is cut, and its last number may lack digits."""
    return line.split() if line.endswith("\n") else line.split()[:-1]


def _runs(path: Path, rows: Iterable[Words], query: int, gap: int) -> list[Rows]:
    found: list[tuple[list[int], list[float]]] = []
    faults: dict[int, BadInput] = {}  # of a run
    begun, width = False, 0
    for number, words in rows:
        if words is None:
            begun = True
            continue
        if begun or not found:
            found.append(([], []))
            begun, width = False, max(query, gap) + 1
        if len(found) in faults:
            continue
        queries, gaps = found[-1]
        try:
            if len(words) < width:  # of the rows above
                raise bad(path, number, f"{len(words)} columns, and {width} or more are needed")
            width = len(words)
            spent = whole(path, number, words[query], "the number of evaluations", 1, LARGEST)
            value = real(path, number, words[gap], "the gap to the optimum")
            if queries and spent < queries[-1]:
                raise bad(path, number, f"evaluations fall from {queries[-1]} to {spent}")
        except BadInput as error:
            faults[len(found)] = error
            continue
        queries.append(spent)
        gaps.append(value)
    return [_lowest(*run, faults.get(number)) for number, run in enumerate(found, 1)]


def _lowest(queries: list[int], gaps: list[float], fault: BadInput | None) -> Rows:
    """One row a query count where the lowest gap falls, the first one at 1."""
    at = np.array([1, *queries], dtype=np.int64)
    low = np.minimum.accumulate(
        np.nan_to_num([np.inf, *gaps], nan=np.inf, posinf=np.inf, neginf=np.inf)
    )
    last = np.append(at[1:] != at[:-1], True)
    at, low = at[last], low[last]
    kept = np.append(True, low[1:] < low[:-1])
    return Rows(at[kept], low[kept], queries[-1] if queries else 0, fault)
