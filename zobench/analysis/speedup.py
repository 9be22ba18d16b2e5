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
    """One problem: who reached the target, ERT_b / ERT_a (inf, 0, NaN: see outcome), interval."""

    problem: str
    outcome: str  # "both", "only_a", "only_b", "neither" or "missing"
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

    NaN where there is no such problem. `level` is that of the mean's interval, `each` that of the
    problems' own, which do not hold together with those of other pairs or problems. `too_few`:
    there are so few runs that no outcome could show a difference at this level; the interval is
    then [0, inf]. `success_p`: see `success_test`.
    """

    a: str
    b: str
    ratio: float
    low: float
    high: float
    level: float
    each: float
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
    """Compare estimators `a` and `b` of a `run_table` that has one target a problem.

    `problems`: those to report on, also without a run (default: those in the table).
    Deterministic; speedup(b, a) is the exact mirror image. Raises BadInput.
    """
    chosen = table[["problem", "target_index"]].drop_duplicates()
    if len(chosen) > len(set(chosen["problem"])):
        raise BadInput("a speed-up needs one target a problem; choose with at_targets")
    found = {(problem, name): runs for (problem, _, name), runs in Cases(table).items()}
    names = list(dict.fromkeys(table["problem"] if problems is None else problems))
    sides = {p: (found.get((p, a)), found.get((p, b))) for p in names}
    return speedup_of(sides, a, b, level, resamples, seed)


def speedup_of(
    sides: Sides,
    a: str,
    b: str,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
    each: float | None = None,
) -> Speedup:
    """`speedup` from run lengths: problem -> (those of `a`, those of `b`; None without a run).

    `each`: the level of the intervals of single problems (default: `level`). `resamples` are drawn
    of each problem, more where a small 1 - level and few problems need them.
    """
    if b < a:
        turned = {name: (y, x) for name, (x, y) in sides.items()}
        return speedup_of(turned, b, a, level, resamples, seed, each).mirrored()
    ready = {p: (x, y) for p, (x, y) in sides.items() if x and y and x.known and y.known}
    alpha, each = 1 - level, level if each is None else each
    paired, too_few = pairing(list(ready.values()), alpha)
    both = sum(bool(x.successes and y.successes) for x, y in ready.values())
    resamples = enough_each(resamples, alpha, both) if both else resamples

    def resampled(name: str, paired: bool) -> list[Pair]:
        x, y = ready[name]
        if not x.successes + y.successes:
            return []
        return [pair(x, y, paired and can_pair(x, y), resamples, seed, name)]

    pairs = {name: resampled(name, paired) for name in ready}
    drawn = [p for found in pairs.values() for p in found]
    ratio, low, high = geometric_mean(drawn, alpha, too_few, seed)
    rows = []
    for name in sides:
        of_problem: Interval = (np.nan, np.nan, np.nan)
        if name in ready:
            alone, few = pairing([ready[name]], 1 - each)
            drawn = pairs[name] if alone == paired else resampled(name, alone)
            of_problem = geometric_mean(drawn, 1 - each, few, seed)
        rows.append(_row(name, *sides[name], name in ready, of_problem))
    counts = [
        (r.successes_a, r.runs_a, r.successes_b, r.runs_b) for r in rows if r.problem in ready
    ]
    return Speedup(
        a, b, ratio, low, high, level, each, paired, too_few, success_test(counts), tuple(rows)
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
