"""Speed-up of `a` against `b`: ERT_b / ERT_a, over problems the geometric mean of the ratios.

Problems are given, runs are random: runs are drawn within each problem, in pairs where they share
instance, repetition and seed. A ratio exists only where both reached the target. Other problems
are left out of the mean and counted: reached by `a` alone, by `b` alone, by neither, or not
compared because one of them has no runs there. Read the mean only together with these counts.

An interval is the studentised bootstrap's, widened where needed so that it excludes 1 only if a
studentised permutation test (labels exchanged within problems) also rejects at the same level.
That test is exact: two estimators with the same distribution are told apart with probability at
most 1 - level, however few or skewed the runs are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from zobench.analysis.ert import ert
from zobench.analysis.interval import LEVEL, RESAMPLES, limits, reach, studentised
from zobench.analysis.pairs import Pair, can_pair, log_relabellings, pair, satterthwaite
from zobench.analysis.runlengths import RunLengths, cases
from zobench.analysis.successes import success_test
from zobench.errors import BadInput

Interval = tuple[float, float, float]  # ratio, low, high
OUTCOMES = ("both", "only_a", "only_b", "neither", "missing")


@dataclass(frozen=True)
class ProblemSpeedup:
    """One problem: who reached the target, ERT_b / ERT_a (inf, 0, NaN: see outcome), interval."""

    problem: str
    outcome: str  # of OUTCOMES
    ratio: float
    low: float
    high: float
    successes_a: int
    runs_a: int
    successes_b: int
    runs_b: int


@dataclass(frozen=True)
class Speedup:
    """`a` against `b`: the geometric mean of the ratios where both reached the target.

    NaN where there is no such problem. `too_few`: there are so few runs that no outcome could show
    a difference at this level; the interval is then [0, inf]. `success_p`: see `success_test`.
    """

    a: str
    b: str
    ratio: float
    low: float
    high: float
    level: float
    paired: bool
    too_few: bool
    success_p: float
    problems: tuple[ProblemSpeedup, ...]

    def count(self, outcome: str) -> int:
        """How many problems had this outcome."""
        return sum(problem.outcome == outcome for problem in self.problems)

    @property
    def compared(self) -> int:
        """Problems on which both have runs."""
        return len(self.problems) - self.count("missing")

    def mirrored(self) -> Speedup:
        """`b` against `a`: the same facts from the other side."""
        rows = tuple(
            ProblemSpeedup(
                row.problem,
                {"only_a": "only_b", "only_b": "only_a"}.get(row.outcome, row.outcome),
                *_inverse(row.ratio, row.low, row.high),
                *(row.successes_b, row.runs_b, row.successes_a, row.runs_a),
            )
            for row in self.problems
        )
        ratio, low, high = _inverse(self.ratio, self.low, self.high)
        return replace(self, a=self.b, b=self.a, ratio=ratio, low=low, high=high, problems=rows)

    @property
    def shown(self) -> int:
        """1: `a` is shown to be sooner; -1: `b` is; 0: no difference is shown."""
        return int(self.low > 1) - int(self.high < 1)


def speedup(
    table: pd.DataFrame,
    a: str,
    b: str,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
    problems: Sequence[str] | None = None,
) -> Speedup:
    """Compare estimators `a` and `b` of a `run_table` that has one target a problem.

    `problems`: those to report on, also without a run (default: those in the table).
    Deterministic; speedup(b, a) is the exact mirror image. Raises BadInput.
    """
    if b < a:
        return speedup(table, b, a, level, resamples, seed, problems).mirrored()
    chosen = table[["problem", "target_index"]].drop_duplicates()
    if len(chosen) > len(set(chosen["problem"])):
        raise BadInput("a speed-up needs one target a problem; choose with at_targets")
    found = {(problem, name): runs for (problem, _, name), runs in cases(table).items()}
    names = list(dict.fromkeys(table["problem"] if problems is None else problems))
    sides = {p: (found.get((p, a)), found.get((p, b))) for p in names}
    ready = {p: (x, y) for p, (x, y) in sides.items() if x and y and x.known and y.known}
    alpha = 1 - level
    paired, too_few = _pairing(list(ready.values()), alpha)

    def resampled(name: str, paired: bool) -> list[Pair]:
        x, y = ready[name]
        if not x.successes + y.successes:
            return []
        return [pair(x, y, paired and can_pair(x, y), resamples, seed, name)]

    pairs = {name: resampled(name, paired) for name in ready}
    ratio, low, high = _mean([p for ps in pairs.values() for p in ps], alpha, too_few)
    rows = []
    for name in names:
        of_problem: Interval = (np.nan, np.nan, np.nan)
        if name in ready:
            alone, few = _pairing([ready[name]], alpha)
            drawn = pairs[name] if alone == paired else resampled(name, alone)
            of_problem = _mean(drawn, alpha, few)
        rows.append(_row(name, *sides[name], name in ready, of_problem))
    counts = [
        (r.successes_a, r.runs_a, r.successes_b, r.runs_b) for r in rows if r.problem in ready
    ]
    return Speedup(
        a, b, ratio, low, high, level, paired, too_few, success_test(counts), tuple(rows)
    )


def _pairing(sides: list[tuple[RunLengths, RunLengths]], alpha: float) -> tuple[bool, bool]:
    """(draw runs in pairs?, are there too few runs for any outcome to be significant?)

    Few pairs have too few relabellings to show anything, where the same runs unpaired have enough:
    they are then drawn apart, which is the cautious choice when pairs resemble each other.
    """
    needed = math.log(2 / alpha) - 1e-9
    useful = [(x, y) for x, y in sides if x.successes + y.successes]

    def ways(paired: bool) -> float:
        return sum(log_relabellings(x, y, paired and can_pair(x, y)) for x, y in useful)

    paired = any(can_pair(x, y) for x, y in useful) and ways(True) >= needed
    return paired, not paired and ways(False) < needed


def _mean(pairs: list[Pair], alpha: float, too_few: bool) -> Interval:
    """(geometric mean, low, high) over the pairs whose ratio exists."""
    both = [p for p in pairs if np.isfinite(p.estimate)]
    if not both:
        return np.nan, np.nan, np.nan
    count = len(both)
    theta = sum(p.estimate for p in both) / count
    error = math.sqrt(sum(p.error**2 for p in both)) / count
    if too_few:
        return math.exp(theta), 0.0, np.inf
    draws = np.mean([_filled(p.draws) for p in both], axis=0)
    errors = np.sqrt(np.sum([_filled(p.draw_errors) ** 2 for p in both], axis=0)) / count
    freedom = satterthwaite([p.error for p in both], [p.freedom for p in both])
    down, up = reach(studentised(theta, draws, errors), freedom, 1 - alpha)
    critical = _critical(pairs, alpha)
    down, up = max(down, critical), max(up, critical)
    if count == 1:  # too few successes to bound; in a mean over problems the others bound it
        down = np.inf if both[0].none[0] > alpha / 2 else down
        up = np.inf if both[0].none[1] > alpha / 2 else up
    return math.exp(theta), *limits(theta, error, down, up)


def _inverse(ratio: float, low: float, high: float) -> Interval:
    with np.errstate(divide="ignore"):
        return tuple(np.divide(1.0, [ratio, high, low]).tolist())  # type: ignore[return-value]


def _filled(values: np.ndarray) -> np.ndarray:
    """Resamples without a success replaced by others: the distribution given a success."""
    there = np.isfinite(values)
    return np.where(there, values, np.resize(values[there], len(values)))


def _critical(pairs: list[Pair], alpha: float) -> float:
    """The |t| that must be exceeded for the permutation test to reject at `alpha`.

    Each relabelling is treated as the observed runs are: problems where one side has no success
    are left out of its mean.
    """
    null = np.stack([p.null for p in pairs])
    squares = np.stack([p.null_errors for p in pairs]) ** 2
    there = np.isfinite(null)
    top = np.abs(np.where(there, null, 0.0).sum(axis=0))
    bottom = np.sqrt(np.where(there, squares, 0.0).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(top < 1e-12, 0.0, top / bottom)
    allowed = math.floor(alpha * (len(t) + 1) + 1e-9) - 1  # relabellings as extreme as the runs
    if allowed < 0:
        return np.inf
    return float(np.sort(t)[len(t) - 1 - allowed]) * (1 + 1e-9)


def _row(
    name: str,
    x: RunLengths | None,
    y: RunLengths | None,
    ready: bool,
    interval: Interval,
) -> ProblemSpeedup:
    counts = [(r.successes, r.runs) if r else (0, 0) for r in (x, y)]
    (hits_a, runs_a), (hits_b, runs_b) = counts
    ratio, low, high = interval
    if not (ready and x and y):
        outcome = "missing"
    elif hits_a and hits_b:
        outcome = "both"
        ratio = ert(y.length, y.success) / ert(x.length, x.success)
    else:
        outcome = "only_a" if hits_a else "only_b" if hits_b else "neither"
        ratio = {"only_a": np.inf, "only_b": 0.0, "neither": np.nan}[outcome]
    return ProblemSpeedup(name, outcome, ratio, low, high, hits_a, runs_a, hits_b, runs_b)
