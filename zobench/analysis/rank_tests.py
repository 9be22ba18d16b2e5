"""The tests of ranks, made of run tables: all estimators over problems, and two at each target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from zobench.analysis.adjust import bonferroni
from zobench.analysis.friedman import Friedman, friedman
from zobench.analysis.interval import LEVEL
from zobench.analysis.left import Left
from zobench.analysis.nemenyi import against_control, cliques, critical_difference
from zobench.analysis.ranksum import rank_sum
from zobench.analysis.runlengths import Cases, RunLengths, run_keys
from zobench.analysis.scores import run_scores
from zobench.analysis.signed_rank import SignedRank, signed_rank
from zobench.errors import BadInput, unknown

TARGET_COLUMNS = ["problem", "target_index", "runs_a", "runs_b", "p", "p_bonferroni", "effect"]


@dataclass(frozen=True)
class RankTests:
    """Estimators (best mean rank first) on their common problems.

    `ranks` are mean ranks in the order of `names`, `difference` is Nemenyi's critical one at
    `level`, `groups` are names that do not differ, `holm` maps a name to the p-value of its
    difference from `control` (empty without one).
    """

    names: tuple[str, ...]
    ranks: tuple[float, ...]
    problems: int
    friedman: Friedman
    level: float
    difference: float
    groups: tuple[tuple[str, ...], ...]
    control: str
    holm: dict[str, float]


def score_matrix(
    table: pd.DataFrame, estimators: Sequence[str] | None = None, column: str = "log_area"
) -> pd.DataFrame:
    """Mean `log_area` or `aocc` (higher is better): a row per problem that all ran, a column each.

    `table` from `run_table` in queries. Raises BadInput on an estimator without runs.
    """
    present = [str(name) for name in table["estimator"].unique()]
    names = list(estimators) if estimators is not None else present
    for name in names:
        if name not in present:
            raise unknown("estimator with runs", name, present)
    scores = run_scores(table.loc[table["estimator"].isin(names)])
    wide = scores.pivot_table(column, "problem", "estimator", aggfunc="mean", sort=False)
    return wide.loc[:, names].dropna()


def rank_tests(scores: pd.DataFrame, control: str = "", level: float = LEVEL) -> RankTests:
    """Friedman, Iman-Davenport, Nemenyi, and Holm against `control`; `scores` of `score_matrix`.

    Raises BadInput with fewer than two problems or estimators, or an unknown control.
    """
    names = [str(name) for name in scores.columns]
    if control and control not in names:
        raise unknown("estimator with scores", control, names)
    found = friedman(scores.to_numpy(float))
    order = np.argsort(found.ranks, kind="stable")
    difference = critical_difference(len(names), found.problems, level)
    p = against_control(found.ranks, found.problems, names.index(control)) if control else []
    return RankTests(
        tuple(names[i] for i in order),
        tuple(float(found.ranks[i]) for i in order),
        found.problems,
        found,
        level,
        difference,
        tuple(tuple(names[i] for i in c) for c in cliques(found.ranks, difference)),
        control,
        {n: float(v) for n, v in zip(names, p) if n != control},
    )


def over_problems(scores: pd.DataFrame, a: str, b: str) -> SignedRank:
    """Wilcoxon's signed-rank test of two columns of `score_matrix`: effect above 0 if `a` leads."""
    for name in (a, b):
        if name not in scores.columns:
            raise unknown("estimator with scores", name, map(str, scores.columns))
    return signed_rank(scores[a].to_numpy(float) - scores[b].to_numpy(float))


def first_then_near(
    a: RunLengths, b: RunLengths, left_a: np.ndarray | None = None, left_b: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Values to rank, lower is better, as COCO does: successes by length, before all failures.

    Failures rank by `left_a`, `left_b`: the score at the smallest length of any failed run (see
    `cut`), where the budget was the same for all; without them they tie.
    """
    joined = np.concatenate([a.length, b.length]).astype(float)
    success = np.concatenate([a.success, b.success]).astype(bool)
    left = np.zeros(len(joined))
    if left_a is not None and left_b is not None:
        left = np.concatenate([left_a, left_b])
        left[np.isnan(left)] = np.inf
    key, failed = np.empty(len(joined)), left[~success]
    # -1 / length lies below 0, places among failures from 1 on
    key[success] = -1.0 / joined[success]
    key[~success] = 1.0 + np.searchsorted(np.sort(failed), failed)
    return key[: len(a.length)], key[len(a.length) :]


def cut(a: RunLengths, b: RunLengths) -> float:
    """The smallest length of an unsuccessful run of either; inf if all succeeded."""
    failed = np.concatenate([a.length[~a.success], b.length[~b.success]])
    return float(failed.min()) if len(failed) else np.inf


def per_target(
    table: pd.DataFrame, a: str, b: str, traces: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Rank-sum test of `a` and `b` at each target of each problem: TARGET_COLUMNS.

    `table` from `run_table` in queries. With `traces`, unsuccessful runs rank by the score they had
    when the first of them ended, as COCO does; without, they tie.
    `p_bonferroni` holds over all rows together; `effect` is the chance that a run of `a` is the
    sooner. Targets that no run reached have no row. Raises BadInput on an unknown name.
    """
    present = [str(name) for name in table["estimator"].unique()]
    for name in (a, b):
        if name not in present:
            raise unknown("estimator with runs", name, present)
    if a == b:
        raise BadInput("two estimators are compared, not one with itself")
    table = table.loc[table["estimator"].isin([a, b])]
    found, keys, scores = Cases(table), run_keys(table), None
    if traces is not None:
        kinds: Any = table.loc[~table["run_key"].duplicated()]
        scores = Left(traces, dict(zip(kinds["run_key"], kinds["kind"])))
    places = {name: place for place, name in enumerate(table["problem"].unique())}
    pairs = {(p, i) for p, i, _ in found}
    compared = []
    for problem, index in sorted(pairs, key=lambda pair: (places[pair[0]], pair[1])):
        x, y = found.get((problem, index, a)), found.get((problem, index, b))
        if x and y and x.known and y.known and x.successes + y.successes:
            compared.append((problem, index, x, y))
    left = None
    if scores is not None:
        asked = [key for p, i, _, _ in compared for name in (a, b) for key in keys[p, i, name]]
        ends = [np.repeat(cut(x, y), x.runs + y.runs) for _, _, x, y in compared]
        left = scores.at(asked, np.concatenate([np.empty(0), *ends]))
    rows, begin = [], 0
    for problem, index, x, y in compared:
        middle, end = begin + x.runs, begin + x.runs + y.runs
        mine = (None, None) if left is None else (left[begin:middle], left[middle:end])
        test = rank_sum([first_then_near(x, y, *mine)])
        rows.append((problem, index, x.runs, y.runs, test.p, np.nan, test.effect))
        begin = end
    result = pd.DataFrame(rows, columns=pd.Index(TARGET_COLUMNS))
    return result.assign(p_bonferroni=bonferroni(result["p"].to_numpy(float)))
