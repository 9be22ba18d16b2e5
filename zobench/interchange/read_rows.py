"""Data files of COCO and IOHprofiler: rows of numbers, cut into runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from zobench.interchange.text import LARGEST, bad, lines, real, whole

Rows = tuple[np.ndarray, np.ndarray]  # queries (n,), lowest gaps (n,)


def coco_runs(path: Path) -> list[Rows]:
    """The runs of a .dat file of COCO: each begins with lines of %; gaps are the third column."""

    def rows() -> Iterator[tuple[int, list[str] | None]]:
        for number, line in lines(path):
            if line.startswith("%"):
                yield number, None
            elif line.strip():
                yield number, line.split()

    return _runs(path, rows(), 0, 2)


def ioh_runs(path: Path) -> list[Rows]:
    """The runs of a .dat file of IOHprofiler: each begins with the names of the columns."""
    columns: list[str] = []
    at = [0, 0]

    def rows() -> Iterator[tuple[int, list[str] | None]]:
        for number, line in lines(path):
            words = line.split()
            if words and words[0].strip('"') == "evaluations":
                columns[:] = [word.strip('"') for word in words]
                wanted = [n for n in ("raw_y_best", "raw_y") if n in columns]
                if not wanted:
                    raise bad(path, number, "no column raw_y or raw_y_best")
                at[:] = 0, columns.index(wanted[0])
                yield number, None
            elif words:
                if not columns:
                    raise bad(path, number, "rows begin before a line 'evaluations raw_y ...'")
                if words[0] in ("1", "1.0"):  # a run may begin without the line of names
                    yield number, None
                yield number, [words[0], words[at[1]] if at[1] < len(words) else ""]

    return _runs(path, rows(), 0, 1)


def _runs(
    path: Path, rows: Iterable[tuple[int, list[str] | None]], query: int, gap: int
) -> list[Rows]:
    found: list[tuple[list[int], list[float]]] = []
    begun = False
    for number, words in rows:
        if words is None:
            begun = True
            continue
        if begun or not found:
            found.append(([], []))
            begun = False
        if len(words) <= max(query, gap):
            raise bad(path, number, f"{len(words)} columns, and {gap + 1} or more are needed")
        queries, gaps = found[-1]
        spent = whole(path, number, words[query], "the number of evaluations", 1, LARGEST)
        value = real(path, number, words[gap], "the gap to the optimum")
        if queries and spent < queries[-1]:
            raise bad(path, number, f"evaluations fall from {queries[-1]} to {spent}")
        queries.append(spent)
        gaps.append(value)
    return [_lowest(*run) for run in found]


def _lowest(queries: list[int], gaps: list[float]) -> Rows:
    """One row a query count where the lowest gap falls, the first one at 1."""
    at = np.array([1, *queries], dtype=np.int64)
    low = np.minimum.accumulate(
        np.nan_to_num([np.inf, *gaps], nan=np.inf, posinf=np.inf, neginf=np.inf)
    )
    last = np.append(at[1:] != at[:-1], True)
    at, low = at[last], low[last]
    kept = np.append(True, low[1:] < low[:-1])
    return at[kept], low[kept]
