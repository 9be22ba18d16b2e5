"""Speed-up of `a` against `b`: ERT_b / ERT_a, over problems the geometric mean of the ratios.

Problems are given, runs are random: runs are drawn within each problem, in pairs if they share
instance, repetition and seed. A ratio exists only if both reached the target. Other problems are
not part of the mean and are counted: reached by `a` alone, by `b` alone, by neither, or not
compared because one of them has no runs there. Read the mean only together with these counts.

An interval is the studentised bootstrap's, widened where needed so that it excludes 1 only if a
studentised permutation test (labels exchanged within problems) also rejects at the same level.
That test is exact: for two estimators with the same distribution a difference is shown with
probability at most 1 - level, however few or skewed the runs are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from zobench.analysis.combine import Interval, geometric_mean, pairing
from zobench.analysis.ert import ert
from zobench.analysis.interval import LEVEL, RESAMPLES
from zobench.analysis.joint import enough_each
from zobench.analysis.pairs import Pair, can_pair, pair
from zobench.analysis.runlengths import Cases, RunLengths
from zobench.analysis.successes import success_test
from zobench.errors import BadInput

Sides = Mapping[str, tuple[RunLengths | None, RunLengths | None]]
ROUNDING = 1e-9  # equal runs give an interval of [1, 1], up to this


@dataclass(frozen=True)
class ProblemSpeedup:
    """The speed-up on one problem.

    Attributes:
        problem: the problem.
        outcome: which estimators reached the target: "both", "only_a", "only_b" or "neither";
            "missing": one of them has no runs, or a length was not measured.
        ratio: ERT_b / ERT_a; inf for only_a, 0 for only_b, otherwise NaN.
        low: the lower limit.
        high: the upper limit.
        successes_a: runs of `a` that reached the target.
        runs_a: runs of `a`.
        successes_b: runs of `b` that reached the target.
        runs_b: runs of `b`.
    """

    problem: str
    outcome: str
    ratio: float
    low: float
    high: float
    successes_a: int
    runs_a: int
    successes_b: int
    runs_b: int


@dataclass(frozen=True)
class Speedup:
    """The speed-up of `a` against `b` over problems.

    Attributes:
        a: an estimator.
        b: the estimator that `a` is compared with.
        ratio: geometric mean of the ratios of problems where both reached the target; NaN without
            such a problem.
        low: the lower limit of `ratio`.
        high: the upper limit of `ratio`.
        level: of this interval.
        single_level: of the intervals of single problems, which do not hold jointly.
        paired: True if runs were drawn in pairs.
        too_few: True if no outcome of so few runs could show a difference at this level; the
            interval is then [0, inf].
        success_p: p-value of a difference in successes, see `success_test`.
        problems: the speed-ups of single problems.
    """

    a: str
    b: str
    ratio: float
    low: float
    high: float
    level: float
    single_level: float
    paired: bool
    too_few: bool
    success_p: float
    problems: tuple[ProblemSpeedup, ...]

    def count(self, outcome: str) -> int:
        """Return the number of problems with this outcome."""
        return sum(problem.outcome == outcome for problem in self.problems)

    @property
    def compared(self) -> int:
        """The number of problems on which both have runs."""
        return len(self.problems) - self.count("missing")

    def mirrored(self) -> Speedup:
        """Return the speed-up of `b` against `a`: the same facts, mirrored."""
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
        """1 if `a` is shown to be sooner, -1 if `b` is, 0 if no difference is shown."""
        return int(self.low > 1 + ROUNDING) - int(self.high < 1 - ROUNDING)


def speedup(
    table: pd.DataFrame,
    a: str,
    b: str,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
    problems: Sequence[str] | None = None,
) -> Speedup:
    """Compare two estimators of a `run_table` that has one target per problem.

    The result is deterministic, and speedup(b, a) is its exact mirror image.

    Args:
        table: a `run_table` with one target per problem, see `at_targets`.
        a: an estimator.
        b: another estimator.
        level: of the intervals.
        resamples: bootstrap resamples and relabellings per problem.
        seed: of the resamples.
        problems: the problems of the result, with or without runs. None: those in the table.

    Raises:
        BadInput: a problem has several targets.
    """
    targets = table[["problem", "target_index"]].drop_duplicates()
    if len(targets) > len(set(targets["problem"])):
        raise BadInput("a speed-up needs one target per problem; choose with at_targets")
    cases = {(problem, name): runs for (problem, _, name), runs in Cases(table).items()}
    names = list(dict.fromkeys(table["problem"] if problems is None else problems))
    sides = {p: (cases.get((p, a)), cases.get((p, b))) for p in names}
    return speedup_of(sides, a, b, level, resamples, seed)


def speedup_of(
    sides: Sides,
    a: str,
    b: str,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
    single_level: float | None = None,
) -> Speedup:
    """Compare two estimators by their run lengths, as `speedup` does.

    Args:
        sides: problem -> (run lengths of `a`, of `b`); None: no runs.
        a: an estimator.
        b: another estimator.
        level: of the interval of the mean.
        resamples: bootstrap resamples and relabellings per problem; a small 1 - level with few
            problems takes more.
        seed: of the resamples.
        single_level: of the intervals of single problems. None: `level`.
    """
    if b < a:
        mirrored = {name: (y, x) for name, (x, y) in sides.items()}
        return speedup_of(mirrored, b, a, level, resamples, seed, single_level).mirrored()
    ready = {
        p: (x, y) for p, (x, y) in sides.items() if x and y and x.is_measured and y.is_measured
    }
    alpha, single_level = 1 - level, level if single_level is None else single_level
    paired, too_few = pairing(list(ready.values()), alpha)
    solved_by_both = sum(bool(x.successes and y.successes) for x, y in ready.values())
    resamples = enough_each(resamples, alpha, solved_by_both) if solved_by_both else resamples

    def resample(name: str, paired: bool) -> list[Pair]:
        x, y = ready[name]
        if not x.successes + y.successes:
            return []
        return [pair(x, y, paired and can_pair(x, y), resamples, seed, name)]

    pairs = {name: resample(name, paired) for name in ready}
    all_pairs = [p for of_problem in pairs.values() for p in of_problem]
    ratio, low, high = geometric_mean(all_pairs, alpha, too_few, seed)
    rows = []
    for name in sides:
        interval: Interval = (np.nan, np.nan, np.nan)
        if name in ready:
            alone, few = pairing([ready[name]], 1 - single_level)
            own_pairs = pairs[name] if alone == paired else resample(name, alone)
            interval = geometric_mean(own_pairs, 1 - single_level, few, seed)
        rows.append(_row(name, *sides[name], name in ready, interval))
    counts = [
        (r.successes_a, r.runs_a, r.successes_b, r.runs_b) for r in rows if r.problem in ready
    ]
    return Speedup(
        a,
        b,
        ratio,
        low,
        high,
        level,
        single_level,
        paired,
        too_few,
        success_test(counts),
        tuple(rows),
    )


def _inverse(ratio: float, low: float, high: float) -> Interval:
    with np.errstate(divide="ignore"):
        return tuple(np.divide(1.0, [ratio, high, low]).tolist())  # type: ignore[return-value]


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
