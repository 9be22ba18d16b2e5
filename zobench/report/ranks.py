"""Rank tests of a report: all estimators over problems, and the best against others by target."""

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
OTHERS = 8  # estimators that the best is tested against at each target
WHOLE = "all dimensions"
WHY = "It takes two estimators, no first-order references, that ran on the same two problems."


def over_all(source: Source) -> list[dict[str, Any]]:
    """Friedman, Iman-Davenport, Nemenyi, and for every control Holm and Wilcoxon.

    One for all problems, then one per dimension where there are several of them with two problems
    or more. Keys: name, asked (problems), names (best mean rank first), left_out (those that ran on
    too few problems to stand with them), why (there is no test, and then no more keys), problems
    (those that all ran), ranks, score (mean `log_area`), chi2, p_chi2, f, p, difference, level,
    groups; holm and wilcoxon, (k, k) p-values, and effect, of the estimator in the column against
    the control in the row.
    """
    if not len(source.runs):
        return []
    table: Any = source.tables["queries"]
    found = [_tested(source, table, WHOLE)]
    dimensions = [d for d in source.problems["dimension"].unique() if d == d]
    if len(dimensions) > 1:
        parts = [(d, table[table["dimension"] == d]) for d in sorted(dimensions)]
        found += [_tested(source, part, f"{d:g}") for d, part in parts if _count(part) > 1]
    return found


def _count(table: Any) -> int:
    return int(table["problem"].nunique())


def _tested(source: Source, table: pd.DataFrame, name: str) -> dict[str, Any]:
    listed = [n for n in source.ranked if not source.references[n]] or source.ranked
    names, _ = largest(ran_on(table, listed))
    found: dict[str, Any] = {"name": name, "asked": _count(table), "names": names}
    found["left_out"] = [n for n in listed if n not in names]
    scores: Any = score_matrix(table, names)
    if min(scores.shape) < 2:
        return found | {"why": WHY}
    tests = rank_tests(scores)
    order = list(tests.names)
    ranks = np.array(tests.ranks)
    pairs = {(c, n): over_problems(scores, n, c) for n, c in combinations(order, 2)}
    return found | {
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
        "wilcoxon": [[_of(pairs, c, n, "p", 1) for n in order] for c in order],
        "effect": [[_of(pairs, c, n, "effect", -1) for n in order] for c in order],
    }


def _of(pairs: dict[tuple[str, str], SignedRank], a: str, b: str, what: str, sign: int) -> float:
    """A number of the test of b against a, which is that of a against b, times `sign`."""
    if a == b:
        return np.nan
    return getattr(pairs[a, b], what) if (a, b) in pairs else sign * getattr(pairs[b, a], what)


def by_target(source: Source, traces: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """(best ranked, other, rows of `per_target`) for up to OTHERS of the others, best first."""
    made = set(source.runs.loc[source.runs["status"] != "skipped", "estimator"])
    names = [n for n in source.ranked if n in made]
    if len(names) < 2:
        return []
    table: Any = source.tables["queries"]
    table = table.loc[table["estimator"].isin(names[: 1 + OTHERS]), list(OF_TEST)]
    runs = table.drop_duplicates("run_key")
    places = {name: place for place, name in enumerate(names)}
    owner = dict(zip(runs["run_key"], runs["estimator"].map(places)))
    codes, keys = pd.factorize(traces["run_key"])
    mine = np.array([owner.get(key, -1) for key in keys], int)[codes]
    found = []
    for place, other in enumerate(names[1 : 1 + OTHERS], 1):
        known = traces.iloc[np.flatnonzero((mine == 0) | (mine == place))]
        found.append((names[0], other, per_target(table, names[0], other, known)))
        give_back()
    return found


def rank_data(source: Source, traces: pd.DataFrame) -> dict[str, Any]:
    """Both for a page: names and problems as numbers, p-values rounded."""
    names = {name: i for i, name in enumerate(source.estimators)}
    places = {name: i for i, name in enumerate(source.problems["problem"].unique())}
    order = source.problems.groupby("problem", sort=False)["target_index"].rank(method="first")
    keys = zip(source.problems["problem"], source.problems["target_index"])
    target = {key: int(place) - 1 for key, place in zip(keys, order)}
    scopes = []
    for test in over_all(source):
        of = dict(test)
        for key in ("names", "left_out"):
            of[key] = [names[n] for n in test[key]]
        of["groups"] = [[names[n] for n in group] for group in test.get("groups", ())]
        for key in ("holm", "wilcoxon", "effect"):
            of[key] = [[plain(v, 3) for v in row] for row in test.get(key, ())]
        for key in ("ranks", "score"):
            of[key] = [plain(v) for v in test.get(key, ())]
        for key in ("chi2", "p_chi2", "f", "p", "difference"):
            of[key] = plain(test.get(key), 4)
        scopes.append(of)
    pairs = [
        {"a": names[a], "b": names[b], "rows": [
            [places[problem], target[problem, index], *runs, *(plain(v, 3) for v in numbers)]
            for (problem, index, *runs), numbers in zip(
                tests[["problem", "target_index", "runs_a", "runs_b"]].to_numpy().tolist(),
                tests[["p", "p_bonferroni", "effect"]].to_numpy(float))]}
        for a, b, tests in by_target(source, traces)
    ]  # fmt: skip
    return {"scopes": scopes, "pairs": pairs}
