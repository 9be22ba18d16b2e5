"""Choose estimators and problems for one table, if not every estimator ran on every problem.

Estimators that cannot run everywhere would reduce the common problems to few or none. So those with
the fewest problems are omitted if this gives the largest table, estimators times common problems.
The choice does not depend on results: failed runs are runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def ran_on(table: pd.DataFrame, estimators: Sequence[str]) -> dict[str, set[str]]:
    """Return estimator -> the problems that it ran on, from a `run_table`."""
    pairs = table[["estimator", "problem"]].drop_duplicates()  # few: sets of all rows are slow
    problems_of = {name: set(group["problem"]) for name, group in pairs.groupby("estimator")}
    return {name: problems_of.get(name, set()) for name in estimators}


def largest(problems_of: dict[str, set[str]]) -> tuple[list[str], set[str]]:
    """Return the estimators of the largest table, in the order of `problems_of`, and its problems.

    Of equally large tables, the one with more estimators is taken. Without runs both are empty.

    Args:
        problems_of: estimator -> the problems that it ran on.
    """
    names = sorted(problems_of, key=lambda name: -len(problems_of[name]))
    best, common, shared = 0, set(), set()
    for count, name in enumerate(names, 1):
        shared = problems_of[name] & shared if count > 1 else problems_of[name]
        if shared and count * len(shared) >= best * len(common):
            best, common = count, shared
    members = names[:best]
    return [name for name in problems_of if name in members], common
