"""Rank tests on run tables: of all estimators over problems, and of two at each target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from zobench.analysis.adjust import bonferroni
from zobench.analysis.friedman import Friedman, friedman
from zobench.analysis.interval import LEVEL
from zobench.analysis.lowest_scores import LowestScores
from zobench.analysis.nemenyi import against_control, cliques, critical_difference
from zobench.analysis.ranksum import rank_sum
from zobench.analysis.runlengths import Cases, RunLengths, run_keys
from zobench.analysis.scores import run_scores
from zobench.analysis.signed_rank import SignedRank, signed_rank
from zobench.errors import BadInput, unknown

TARGET_COLUMNS = ["problem", "target_index", "runs_a", "runs_b", "p", "p_bonferroni", "effect"]


@dataclass(frozen=True)
class RankTests:
    """Rank tests of estimators on their common problems.

    Attributes:
        names: the estimators, the best mean rank first.
        ranks: mean ranks, in the order of `names`.
        problems: the number of problems.
        friedman: the tests that no estimators differ.
        level: of `difference`.
        difference: Nemenyi's critical difference of mean ranks.
        groups: sets of estimators that do not differ.
        control: the estimator that the others are compared with; "": none.
        holm: estimator -> p-value of its difference from `control`; empty without one.
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
    """Return mean scores: one row per problem that all estimators ran, one column per estimator.

    Args:
        table: a `run_table` in queries.
        estimators: the estimators. None: all.
        column: "log_area" or "aocc"; higher is better.

    Raises:
        BadInput: an estimator has no runs.
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
    """Test the differences of all estimators: Friedman, Iman-Davenport, Nemenyi, and Holm.

    Args:
        scores: the data frame of `score_matrix`.
        control: the estimator that Holm's p-values compare the others with; "": none.
        level: of Nemenyi's critical difference.

    Raises:
        BadInput: there are fewer than two problems or estimators, or the control is unknown.
    """
    names = [str(name) for name in scores.columns]
    if control and control not in names:
        raise unknown("estimator with scores", control, names)
    test = friedman(scores.to_numpy(float))
    order = np.argsort(test.ranks, kind="stable")
    difference = critical_difference(len(names), test.problems, level)
    p = against_control(test.ranks, test.problems, names.index(control)) if control else []
    return RankTests(
        tuple(names[i] for i in order),
        tuple(float(test.ranks[i]) for i in order),
        test.problems,
        test,
        level,
        difference,
        tuple(tuple(names[i] for i in c) for c in cliques(test.ranks, difference)),
        control,
        {n: float(v) for n, v in zip(names, p) if n != control},
    )


def over_problems(scores: pd.DataFrame, a: str, b: str) -> SignedRank:
    """Test two columns of `score_matrix` by signed ranks; effect is above 0 if `a` is better."""
    for name in (a, b):
        if name not in scores.columns:
            raise unknown("estimator with scores", name, map(str, scores.columns))
    return signed_rank(scores[a].to_numpy(float) - scores[b].to_numpy(float))


def first_then_near(
    a: RunLengths,
    b: RunLengths,
    scores_a: np.ndarray | None = None,
    scores_b: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return values to rank as COCO does: successes by length, before all failures.

    Args:
        a: the runs of one estimator.
        b: the runs of the other.
        scores_a: the score of each run of `a` at the smallest length of any failed run (see
            `cut`), (n_a,). Failures rank by it; without it they tie.
        scores_b: the same of `b`, (n_b,).

    Returns:
        The values of `a`, (n_a,), and of `b`, (n_b,); lower is better.
    """
    joined = np.concatenate([a.length, b.length]).astype(float)
    success = np.concatenate([a.success, b.success]).astype(bool)
    scores = np.zeros(len(joined))
    if scores_a is not None and scores_b is not None:
        scores = np.concatenate([scores_a, scores_b])
        scores[np.isnan(scores)] = np.inf
    key, failed = np.empty(len(joined)), scores[~success]
    # -1 / length is below 0, ranks of failures are 1 or more
    key[success] = -1.0 / joined[success]
    key[~success] = 1.0 + np.searchsorted(np.sort(failed), failed)
    return key[: len(a.length)], key[len(a.length) :]


def cut(a: RunLengths, b: RunLengths) -> float:
    """Return the smallest length of an unsuccessful run of either; inf if all succeeded."""
    failed = np.concatenate([a.length[~a.success], b.length[~b.success]])
    return float(failed.min()) if len(failed) else np.inf


def per_target(
    table: pd.DataFrame, a: str, b: str, traces: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Test two estimators by rank sums at each target of each problem.

    Args:
        table: a `run_table` in queries.
        a: an estimator.
        b: another estimator.
        traces: with them, unsuccessful runs rank by their score at the moment when the first of
            them ended, as COCO does. None: they tie.

    Returns:
        TARGET_COLUMNS; targets that no run reached have no row. `p_bonferroni` is adjusted for all
        rows; `effect` is the probability that a run of `a` is sooner.

    Raises:
        BadInput: an estimator has no runs, or both are the same.
    """
    present = [str(name) for name in table["estimator"].unique()]
    for name in (a, b):
        if name not in present:
            raise unknown("estimator with runs", name, present)
    if a == b:
        raise BadInput("two estimators are compared, not one with itself")
    table = table.loc[table["estimator"].isin([a, b])]
    cases, keys, lowest = Cases(table), run_keys(table), None
    if traces is not None:
        kinds: Any = table.loc[~table["run_key"].duplicated()]
        lowest = LowestScores(traces, dict(zip(kinds["run_key"], kinds["kind"])))
    numbers = {name: number for number, name in enumerate(table["problem"].unique())}
    pairs = {(p, i) for p, i, _ in cases}
    compared = []
    for problem, index in sorted(pairs, key=lambda pair: (numbers[pair[0]], pair[1])):
        x, y = cases.get((problem, index, a)), cases.get((problem, index, b))
        if x and y and x.is_measured and y.is_measured and x.successes + y.successes:
            compared.append((problem, index, x, y))
    scores = None
    if lowest is not None:
        names = [key for p, i, _, _ in compared for name in (a, b) for key in keys[p, i, name]]
        ends = [np.repeat(cut(x, y), x.runs + y.runs) for _, _, x, y in compared]
        scores = lowest.at(names, np.concatenate([np.empty(0), *ends]))
    rows, begin = [], 0
    for problem, index, x, y in compared:
        middle, end = begin + x.runs, begin + x.runs + y.runs
        of_pair = (None, None) if scores is None else (scores[begin:middle], scores[middle:end])
        test = rank_sum([first_then_near(x, y, *of_pair)])
        rows.append((problem, index, x.runs, y.runs, test.p, np.nan, test.effect))
        begin = end
    result = pd.DataFrame(rows, columns=pd.Index(TARGET_COLUMNS))
    return result.assign(p_bonferroni=bonferroni(result["p"].to_numpy(float)))
