"""Estimate of the remaining time, from the times of finished runs."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from time import monotonic

from zobench.harness.plan import RunSpec

ProblemEstimator = tuple[str, str]  # (problem, estimator): their runs take about equally long


class Eta:
    """Remaining time of a list of runs.

    Runs of a problem and an estimator take as long as their finished runs do. Where none is
    finished, they take as long per query as all finished runs do.
    """

    def __init__(self, specs: Sequence[RunSpec]) -> None:
        self.open = Counter(pair_of(spec) for spec in specs)  # runs to be made
        self.budget = {pair_of(spec): spec.problem.budget for spec in specs}
        self.n_made: Counter[ProblemEstimator] = Counter()
        self.seconds: defaultdict[ProblemEstimator, float] = defaultdict(float)  # of their steps
        self.start = monotonic()

    def resumed(self, spec: RunSpec) -> None:
        """Count a run whose stored result is used."""
        self.open[pair_of(spec)] -= 1

    def finished(self, spec: RunSpec, seconds: float) -> None:
        """Count a run whose steps took this many seconds."""
        pair = pair_of(spec)
        self.open[pair] -= 1
        self.n_made[pair] += 1
        self.seconds[pair] += seconds

    @property
    def is_certain(self) -> bool:
        """True if every problem that has open runs also has a finished run."""
        measured = {problem for problem, _ in self.n_made}
        return all(problem in measured for (problem, _), count in self.open.items() if count)

    @property
    def elapsed(self) -> float:
        """Seconds since the object was made."""
        return monotonic() - self.start

    @property
    def remaining(self) -> float:
        """Seconds to go; NaN as long as no run is finished.

        Work is measured in seconds of steps. The clock gives the work done per second, which
        includes everything else: loading, scoring, other processes.
        """
        work = sum(self.seconds.values())
        if not work:
            return math.nan
        per_query = work / sum(n * self.budget[pair] for pair, n in self.n_made.items())
        to_do = 0.0
        for pair, count in self.open.items():
            finished = self.n_made[pair]
            mean = self.seconds[pair] / finished if finished else per_query * self.budget[pair]
            to_do += count * mean
        return to_do / work * self.elapsed


def time_left(eta: Eta) -> str:
    """Return the remaining time in words: "about 0:40 left"."""
    if not math.isfinite(eta.remaining):
        return "time left unknown yet"
    return f"{'about' if eta.is_certain else 'over'} {clock(eta.remaining)} left"


def clock(seconds: float) -> str:
    """Return a duration as 0:05, 12:30 or 3:04:05."""
    if not math.isfinite(seconds):
        return "-"
    rounded = round(seconds)
    hours, minutes = divmod(rounded // 60, 60)
    return f"{hours}:{minutes:02}:{rounded % 60:02}" if hours else f"{minutes}:{rounded % 60:02}"


def pair_of(spec: RunSpec) -> ProblemEstimator:
    """Return the problem and the estimator of a run."""
    return spec.problem.id, spec.estimator.text
