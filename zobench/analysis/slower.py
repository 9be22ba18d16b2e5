"""Compare new with old runs of an estimator by a factor and significance, for checks in CI.

The rule is that of the benchmark tool asv: an estimator is slower only if the factor is exceeded
and the rank-sum test of old against new runs has p < 0.002, so that neither a large but noisy nor a
significant but small change raises an alarm. It is applied to all problems together (runs are
ranked within problems, and rank sums added) and to each by itself, so that one problem that became
much slower is found. Each of the two gets half of the level; the problems share the second half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from zobench.analysis.ert import ert
from zobench.analysis.frames import SKIPPED
from zobench.analysis.rank_tests import first_then_near
from zobench.analysis.ranksum import RankSum, rank_sum
from zobench.analysis.runlengths import Cases, RunLengths, Unit, at_targets
from zobench.analysis.targets import hardest_common

P = 0.002
TIMED = 0.01  # seconds: other processes change the time of shorter runs by factors
EACH = P / 2  # of all problems together, and of the problems by themselves
Measure = Literal["queries", "seconds", "time per query"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
Samples = dict[str, tuple[np.ndarray, np.ndarray]]  # problem -> values to rank (new, old)


@dataclass(frozen=True)
class Slowdown:
    """The comparison of new with old runs in one measure.

    Attributes:
        new: the estimator.
        old: the label of its old runs.
        measure: one of MEASURES.
        ratio: new / old, the geometric mean over problems: 2 is twice as slow; NaN if no problem
            was measured on both sides.
        p: two-sided p-value of all problems together.
        least: the smallest p-value that so few runs could give.
        problems: the number of problems that were measured on both sides.
        worst: the problem with the largest ratio, and that ratio.
        factor: the largest ratio that is not slower.
        slower: True if ratio > factor, the new runs rank behind and p < 0.001, or if there are
            problems `alone`.
        alone: problems where this holds by itself, with p < 0.001 / problems.
    """

    new: str
    old: str
    measure: str
    ratio: float
    p: float
    least: float
    problems: int
    worst: tuple[str, float]
    factor: float
    slower: bool
    alone: tuple[str, ...] = ()

    @property
    def too_few(self) -> bool:
        """True if no outcome of so few runs could be significant."""
        return self.problems > 0 and self.least >= EACH

    @property
    def is_judged(self) -> bool:
        """True if an outcome of these runs could be significant."""
        return self.problems > 0 and not self.too_few


def slowdowns(
    runs: pd.DataFrame,
    tables: Mapping[Unit, pd.DataFrame],
    new: str,
    old: str,
    factor: float,
    measures: Sequence[Measure] = MEASURES,
) -> list[Slowdown]:
    """Compare new with old runs in each measure.

    The target of a problem is the hardest that half of the old runs reached, so it depends on the
    old results alone. Queries and seconds to the target: ERT, and ranks with failures behind all
    successes. New runs without a success may have ended early (diverged): each counts as if it had
    been as long as the longest of both sides, and the next query a success. Their ratio is
    therefore a lower limit. Time per query: medians of seconds / queries. Problems whose runs take
    less than TIMED on both sides are not compared in seconds and time per query.

    Args:
        runs: one row per run.
        tables: the `run_tables` of these runs.
        new: the estimator.
        old: the label of its old runs.
        factor: a larger ratio is slower.
        measures: the measures to compare.
    """
    names = _lasting(runs, (new, old))
    result = []
    for unit in measures:
        if unit == "time per query":
            ratios, samples = _per_query(runs.loc[runs["problem"].isin(names)], new, old)
        else:
            table = tables[unit]
            if unit == "seconds":
                table = table.loc[table["problem"].isin(names)]
            ratios, samples = _to_target(table, new, old)
        result.append(_judged(new, old, unit, ratios, samples, factor))
    return result


def _lasting(runs: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """The problems where the median run of one of `names` takes TIMED or longer."""
    rows = runs.loc[runs["estimator"].isin(names)]
    spent = rows.groupby(["problem", "estimator"])["seconds"].median().groupby("problem").max()
    return list(spent.index[spent >= TIMED])


def _to_target(table: pd.DataFrame, new: str, old: str) -> tuple[dict[str, float], Samples]:
    targets = hardest_common(table, old, old)
    cases = Cases(at_targets(table, targets))
    ratios, samples = {}, {}
    for problem, index in targets.items():
        x, y = cases.get((problem, index, new)), cases.get((problem, index, old))
        if x and y and x.is_measured and y.is_measured:
            ratios[problem] = _at_least(x, y) / ert(y.length, y.success)
            samples[problem] = first_then_near(x, y)
    return ratios, samples


def _at_least(new: RunLengths, old: RunLengths) -> float:
    if new.successes:
        return ert(new.length, new.success)
    return new.runs * float(max(new.length.max(), old.length.max()))


def _per_query(runs: pd.DataFrame, new: str, old: str) -> tuple[dict[str, float], Samples]:
    runs_made = runs.loc[(runs["status"] != SKIPPED) & (runs["queries"] > 0)]
    spent = runs_made["seconds"].to_numpy(float) / runs_made["queries"].to_numpy(float)
    ratios, samples = {}, {}
    for problem, part in runs_made.assign(spent=spent).groupby("problem", sort=False):
        sides = [
            part.loc[part["estimator"] == name, "spent"].to_numpy(float) for name in (new, old)
        ]
        x, y = (side[np.isfinite(side)] for side in sides)
        if len(x) and len(y) and np.median(y) > 0:
            ratios[str(problem)] = float(np.median(x) / np.median(y))
            samples[str(problem)] = (x, y)
    return ratios, samples


def _judged(
    new: str, old: str, measure: str, ratios: dict[str, float], samples: Samples, factor: float
) -> Slowdown:
    if not ratios:
        return Slowdown(new, old, measure, np.nan, np.nan, np.nan, 0, ("", np.nan), factor, False)
    count, test = len(ratios), rank_sum(samples.values())
    ratio = float(np.exp(np.mean(np.log(list(ratios.values())))))
    worst = max(ratios.items(), key=lambda item: item[1])
    alone = tuple(
        name
        for name, ratio_there in ratios.items()
        if ratio_there > factor and _behind(rank_sum([samples[name]]), EACH / count)
    )
    slower = bool(alone) or (ratio > factor and _behind(test, EACH))
    return Slowdown(
        new, old, measure, ratio, test.p, test.least, count, worst, factor, slower, alone
    )


def _behind(test: RankSum, level: float) -> bool:
    """True if the new runs rank behind significantly."""
    return test.p < level and test.effect < 0.5
