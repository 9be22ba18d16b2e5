"""Rank tests of a report: all estimators over problems, and the best one per target."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from zobench.analysis.common import largest, ran_on
from zobench.analysis.nemenyi import against_control
from zobench.analysis.rank_tests import over_problems, per_target, rank_tests, score_matrix
from zobench.analysis.signed_rank import SignedRank
from zobench.harness.memory import give_back
from zobench.report.encode import plain
from zobench.report.source import Source

OF_TEST = (  # columns of a run table that `per_target` reads
    *("run_key", "problem", "kind", "target_index", "estimator"),
    *("instance", "repetition", "seed", "length", "success"),
)
OTHERS = 8  # number of estimators that the best one is compared with at each target
ALL_DIMENSIONS = "all dimensions"
NO_TEST = "It takes two estimators, no first-order references, that ran on the same two problems."


def over_all(source: Source) -> list[dict[str, Any]]:
    """Test mean ranks (Friedman, Iman-Davenport, Nemenyi; Holm and Wilcoxon for each control).

    The first is over all problems. If several dimensions have two problems or more, one per such
    dimension follows.

    Returns:
        A dict per test, with the keys

        - name: "all dimensions", or a dimension;
        - n_problems: number of problems that any estimator ran;
        - names: the estimators, the best mean rank first;
        - left_out: estimators that ran on too few problems;
        - why: the reason if there is no test; the keys below are then missing;
        - problems: number of problems that all of `names` ran;
        - ranks, score: the mean rank and the mean `log_area` of each of `names`;
        - chi2, p_chi2, f, p, difference, level, groups: see `rank_tests`;
        - holm, wilcoxon, effect: p-values and effect, (k, k), of the estimator in the column
          against the control in the row.
    """
    if not len(source.runs):
        return []
    table: Any = source.tables["queries"]
    tests = [_tests_of(source, table, ALL_DIMENSIONS)]
    dimensions = [d for d in source.problems["dimension"].unique() if d == d]
    if len(dimensions) > 1:
        parts = [(d, table[table["dimension"] == d]) for d in sorted(dimensions)]
        tests += [_tests_of(source, part, f"{d:g}") for d, part in parts if _count(part) > 1]
    return tests


def _count(table: Any) -> int:
    return int(table["problem"].nunique())


def _tests_of(source: Source, table: pd.DataFrame, name: str) -> dict[str, Any]:
    candidates = [n for n in source.ranked if not source.references[n]] or source.ranked
    names, _ = largest(ran_on(table, candidates))
    facts: dict[str, Any] = {"name": name, "n_problems": _count(table), "names": names}
    facts["left_out"] = [n for n in candidates if n not in names]
    scores: Any = score_matrix(table, names)
    if min(scores.shape) < 2:
        return facts | {"why": NO_TEST}
    tests = rank_tests(scores)
    order = list(tests.names)
    ranks = np.array(tests.ranks)
    pairs = {(c, n): over_problems(scores, n, c) for n, c in combinations(order, 2)}
    return facts | {
        "names": order,
        "problems": tests.problems,
        "ranks": tests.ranks,
        "score": [float(scores[n].mean()) for n in order],
        "chi2": tests.friedman.chi2,
        "p_chi2": tests.friedman.p_chi2,
        "f": tests.friedman.f,
        "p": tests.friedman.p,
        "level": tests.level,
        "difference": tests.difference,
        "groups": [list(group) for group in tests.groups],
        "holm": [against_control(ranks, tests.problems, c).tolist() for c in range(len(order))],
        "wilcoxon": [[_from_pair(pairs, c, n, "p", 1) for n in order] for c in order],
        "effect": [[_from_pair(pairs, c, n, "effect", -1) for n in order] for c in order],
    }


def _from_pair(
    pairs: dict[tuple[str, str], SignedRank], a: str, b: str, field: str, sign: int
) -> float:
    """Return a number of the test of b against a: that of a against b, times `sign`."""
    if a == b:
        return np.nan
    return getattr(pairs[a, b], field) if (a, b) in pairs else sign * getattr(pairs[b, a], field)


def by_target(source: Source, traces: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Return (best ranked, other, rows of `per_target`) for up to OTHERS others."""
    estimators_with_runs = set(source.runs.loc[source.runs["status"] != "skipped", "estimator"])
    names = [n for n in source.ranked if n in estimators_with_runs]
    if len(names) < 2:
        return []
    table: Any = source.tables["queries"]
    table = table.loc[table["estimator"].isin(names[: 1 + OTHERS]), list(OF_TEST)]
    runs = table.drop_duplicates("run_key")
    numbers = {name: number for number, name in enumerate(names)}
    owner = dict(zip(runs["run_key"], runs["estimator"].map(numbers)))
    codes, keys = pd.factorize(traces["run_key"])
    owners = np.array([owner.get(key, -1) for key in keys], int)[codes]
    tests = []
    for number, other in enumerate(names[1 : 1 + OTHERS], 1):
        traces_of_both = traces.iloc[np.flatnonzero((owners == 0) | (owners == number))]
        tests.append((names[0], other, per_target(table, names[0], other, traces_of_both)))
        give_back()
    return tests


def rank_data(source: Source, traces: pd.DataFrame) -> dict[str, Any]:
    """Return both for a page: names and problems as numbers, rounded p-values."""
    names = {name: i for i, name in enumerate(source.estimators)}
    problem_numbers = {name: i for i, name in enumerate(source.problems["problem"].unique())}
    order = source.problems.groupby("problem", sort=False)["target_index"].rank(method="first")
    keys = zip(source.problems["problem"], source.problems["target_index"])
    target = {key: int(rank) - 1 for key, rank in zip(keys, order)}
    scopes = []
    for test in over_all(source):
        scope = dict(test)
        for key in ("names", "left_out"):
            scope[key] = [names[n] for n in test[key]]
        scope["groups"] = [[names[n] for n in group] for group in test.get("groups", ())]
        for key in ("holm", "wilcoxon", "effect"):
            scope[key] = [[plain(v, 3) for v in row] for row in test.get(key, ())]
        for key in ("ranks", "score"):
            scope[key] = [plain(v) for v in test.get(key, ())]
        for key in ("chi2", "p_chi2", "f", "p", "difference"):
            scope[key] = plain(test.get(key), 4)
        scopes.append(scope)
    pairs = [
        {"a": names[a], "b": names[b], "rows": [
            [problem_numbers[problem], target[problem, index], *runs,
             *(plain(v, 3) for v in numbers)]
            for (problem, index, *runs), numbers in zip(
                tests[["problem", "target_index", "runs_a", "runs_b"]].to_numpy().tolist(),
                tests[["p", "p_bonferroni", "effect"]].to_numpy(float))]}
        for a, b, tests in by_target(source, traces)
    ]  # fmt: skip
    return {"scopes": scopes, "pairs": pairs}
