"""Curves: runs as other suites record them, the lowest gap so far over queries."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

FLOOR = 1e-12  # the least gap that is written: readers take logarithms


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A run of an estimator on an instance of a function.

    Attributes:
        estimator: its name, which COCO and IOHprofiler call the algorithm.
        suite: the suite of the function.
        function: the number of the function in the suite.
        name: of the function.
        dimension: the number of coordinates.
        instance: the instance of the function.
        queries: (n,) whole numbers from 1, rising.
        gaps: (n,) the lowest f - f_opt among so many queries, never rising.
        length: all queries of the run, at least queries[-1].
    """

    estimator: str
    suite: str
    function: int
    name: str
    dimension: int
    instance: int
    queries: np.ndarray
    gaps: np.ndarray
    length: int

    @property
    def case(self) -> tuple[str, str, int, str, int]:
        """The estimator, and the function in its dimension."""
        return self.estimator, self.suite, self.function, self.name, self.dimension

    def gaps_at(self, queries: np.ndarray) -> np.ndarray:
        """Return the lowest gap after each of these numbers of queries, which are at least 1."""
        return self.gaps[np.searchsorted(self.queries, queries, side="right") - 1]

    def queries_to(self, target: float) -> int | None:
        """Return the first number of queries with a gap of at most `target`; None if none has."""
        index = int(np.searchsorted(-self.gaps, -target, side="left"))
        return int(self.queries[index]) if index < len(self.gaps) else None


def file_name(text: str) -> str:
    """Turn a text into the name of a file or folder, without special characters."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", text).strip("._-")[:80] or "unnamed"


def distinct_names(names: list[str]) -> dict[str, str]:
    """Map each name to a file name of its own."""
    result: dict[str, str] = {}
    taken_names: set[str] = set()
    for name in dict.fromkeys(names):
        short, number = file_name(name), 2
        while short.lower() in taken_names:
            short, number = f"{file_name(name)}-{number}", number + 1
        taken_names.add(short.lower())
        result[name] = short
    return result
