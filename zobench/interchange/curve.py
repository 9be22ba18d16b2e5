"""Curve: one run as other suites record it, the lowest gap so far over queries."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

FLOOR = 1e-12  # the least gap that is written: readers take logarithms


@dataclass(frozen=True)
class Curve:
    """A run of `algorithm` on instance `instance` of function number `function`.

    `queries` (n,), whole numbers from 1 on, rising; `gaps` (n,) the lowest f - f_opt among so many
    queries, never rising; `length` >= queries[-1] is all that the run spent.
    """

    algorithm: str
    suite: str
    function: int
    name: str  # of the function
    dimension: int
    instance: int
    queries: np.ndarray
    gaps: np.ndarray
    length: int

    def at(self, queries: np.ndarray) -> np.ndarray:
        """The lowest gap after so many queries, each at least 1."""
        return self.gaps[np.searchsorted(self.queries, queries, side="right") - 1]

    def reached(self, target: float) -> int | None:
        """The first number of queries with a gap of at most `target`; None if there is none."""
        place = int(np.searchsorted(-self.gaps, -target, side="left"))
        return int(self.queries[place]) if place < len(self.gaps) else None


def file_name(text: str) -> str:
    """`text` as the name of a file or folder: nothing that a shell or a parser minds."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", text).strip("._-")[:80] or "unnamed"


def distinct_names(names: list[str]) -> dict[str, str]:
    """Each of `names` with a file name of its own, whatever two of them share."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(names):
        short, number = file_name(name), 2
        while short.lower() in taken:
            short, number = f"{file_name(name)}-{number}", number + 1
        taken.add(short.lower())
        found[name] = short
    return found
