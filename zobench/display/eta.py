"""How long the rest will take, from what the finished runs took."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from time import monotonic

from zobench.harness.plan import RunSpec

Cell = tuple[str, str]  # problem, estimator: runs of a cell take about equally long


class Eta:
    """Runs of a cell that has finished ones take as long as those; others as long a query."""

    def __init__(self, specs: Sequence[RunSpec]) -> None:
        self.left = Counter(_cell(spec) for spec in specs)
        self.budget = {_cell(spec): spec.problem.budget for spec in specs}
        self.made: Counter[Cell] = Counter()
        self.seconds: defaultdict[Cell, float] = defaultdict(float)  # of finished runs' steps
        self.began = monotonic()

    def resumed(self, spec: RunSpec) -> None:
        """A run that need not be made."""
        self.left[_cell(spec)] -= 1

    def finished(self, spec: RunSpec, seconds: float) -> None:
        """A run that took so many seconds for its steps."""
        cell = _cell(spec)
        self.left[cell] -= 1
        self.made[cell] += 1
        self.seconds[cell] += seconds

    @property
    def certain(self) -> bool:
        """Has every problem that is left a finished run to judge by?"""
        seen = {problem for problem, _ in self.made}
        return all(problem in seen for (problem, _), left in self.left.items() if left)

    @property
    def elapsed(self) -> float:
        return monotonic() - self.began

    @property
    def remaining(self) -> float:
        """Seconds; NaN as long as nothing is finished.

        Work is counted in seconds of steps; the clock says how much of it is done a second, with
        everything else (loading, scoring, other processes) in it.
        """
        work = sum(self.seconds.values())
        if not work:
            return math.nan
        per_query = work / sum(n * self.budget[cell] for cell, n in self.made.items())
        ahead = 0.0
        for cell, count in self.left.items():
            known = self.made[cell]
            each = self.seconds[cell] / known if known else per_query * self.budget[cell]
            ahead += count * each
        return ahead / work * self.elapsed


def left(eta: Eta) -> str:
    """about 0:40 left"""
    if not math.isfinite(eta.remaining):
        return "time left unknown yet"
    return f"{'about' if eta.certain else 'over'} {clock(eta.remaining)} left"


def clock(seconds: float) -> str:
    """0:05, 12:30, 3:04:05"""
    if not math.isfinite(seconds):
        return "-"
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def _cell(spec: RunSpec) -> Cell:
    return spec.problem.id, spec.estimator.text
