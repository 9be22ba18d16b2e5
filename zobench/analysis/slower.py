"""Is an estimator slower than it was? A factor and significance together, for checks in CI.

The rule is that of the benchmark tool asv: slower counts only if the factor is exceeded and the
rank-sum test of old against new runs has p < 0.002, so that neither a large but noisy nor a sure
but small change raises an alarm. It is applied to all problems together (runs are ranked within
problems, and rank sums added) and to each by itself, so that one that got much slower is not lost
among others; the level is halved between the two, and the second half shared by the problems.
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
TIMED = 0.01  # seconds: what else a machine does changes shorter runs by factors
EACH = P / 2  # of all problems together, and of the problems by themselves
What = Literal["queries", "seconds", "time a query"]
WHAT: tuple[What, ...] = get_args(What)
Samples = dict[str, tuple[np.ndarray, np.ndarray]]  # problem -> values to rank (new, old)


@dataclass(frozen=True)
class Slowdown:
    """`new` against `old` in one measure; `ratio` is the geometric mean over problems, 2: twice.

    `p` is the test's of all problems together, `least` the smallest p that runs so few could have,
    `worst` the problem with the largest ratio and that ratio. `slower`: ratio > factor, the new
    runs rank behind and p < 0.001; or there are problems `alone`, where that holds with p < 0.001 /
    problems. NaN: nothing was measured on both sides.
    """

    new: str
    old: str
    what: str  # of WHAT
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
        """Are there too few runs for any outcome to be significant?"""
        return self.problems > 0 and self.least >= EACH

    @property
    def judged(self) -> bool:
        """Could any outcome have been significant?"""
        return self.problems > 0 and not self.too_few


def slowdowns(
    runs: pd.DataFrame,
    tables: Mapping[Unit, pd.DataFrame],
    new: str,
    old: str,
    factor: float,
    what: Sequence[What] = WHAT,
) -> list[Slowdown]:
    """One for each of `what`. Target of a problem: the hardest that half of the old runs reached.

    So the old results alone decide what is asked. Queries and seconds to the target: ERT, ranks
    with failures behind all successes; new runs without a success count as if each had been as
    long as the longest of both sides (they may have ended early, diverged) and the next query a
    success, which is at least their due. Time a query: medians of seconds / queries. Neither
    seconds nor time a query are asked of problems whose runs take less than TIMED on both sides.
    """
    names = _lasting(runs, (new, old))
    result = []
    for unit in what:
        if unit == "time a query":
            ratios, samples = _per_query(runs.loc[runs["problem"].isin(names)], new, old)
        else:
            table = tables[unit]
            if unit == "seconds":
                table = table.loc[table["problem"].isin(names)]
            ratios, samples = _to_target(table, new, old)
        result.append(_judged(new, old, unit, ratios, samples, factor))
    return result


def _lasting(runs: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Problems where the median run of one of `names` takes TIMED or longer."""
    mine = runs.loc[runs["estimator"].isin(names)]
    spent = mine.groupby(["problem", "estimator"])["seconds"].median().groupby("problem").max()
    return list(spent.index[spent >= TIMED])


def _to_target(table: pd.DataFrame, new: str, old: str) -> tuple[dict[str, float], Samples]:
    targets = hardest_common(table, old, old)
    found = Cases(at_targets(table, targets))
    ratios, samples = {}, {}
    for problem, index in targets.items():
        x, y = found.get((problem, index, new)), found.get((problem, index, old))
        if x and y and x.is_measured and y.is_measured:
            ratios[problem] = _at_least(x, y) / ert(y.length, y.success)
            samples[problem] = first_then_near(x, y)
    return ratios, samples


def _at_least(new: RunLengths, old: RunLengths) -> float:
    if new.successes:
        return ert(new.length, new.success)
    return new.runs * float(max(new.length.max(), old.length.max()))


def _per_query(runs: pd.DataFrame, new: str, old: str) -> tuple[dict[str, float], Samples]:
    made = runs.loc[(runs["status"] != SKIPPED) & (runs["queries"] > 0)]
    spent = made["seconds"].to_numpy(float) / made["queries"].to_numpy(float)
    ratios, samples = {}, {}
    for problem, part in made.assign(spent=spent).groupby("problem", sort=False):
        sides = [
            part.loc[part["estimator"] == name, "spent"].to_numpy(float) for name in (new, old)
        ]
        x, y = (side[np.isfinite(side)] for side in sides)
        if len(x) and len(y) and np.median(y) > 0:
            ratios[str(problem)] = float(np.median(x) / np.median(y))
            samples[str(problem)] = (x, y)
    return ratios, samples


def _judged(
    new: str, old: str, what: str, ratios: dict[str, float], samples: Samples, factor: float
) -> Slowdown:
    if not ratios:
        return Slowdown(new, old, what, np.nan, np.nan, np.nan, 0, ("", np.nan), factor, False)
    count, test = len(ratios), rank_sum(samples.values())
    ratio = float(np.exp(np.mean(np.log(list(ratios.values())))))
    worst = max(ratios.items(), key=lambda item: item[1])
    alone = tuple(
        name
        for name, each in ratios.items()
        if each > factor and _behind(rank_sum([samples[name]]), EACH / count)
    )
    slower = bool(alone) or (ratio > factor and _behind(test, EACH))
    return Slowdown(new, old, what, ratio, test.p, test.least, count, worst, factor, slower, alone)


def _behind(test: RankSum, level: float) -> bool:
    """Do the new runs surely rank behind?"""
    return test.p < level and test.effect < 0.5
