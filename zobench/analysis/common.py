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
    of = {name: set(group["problem"]) for name, group in pairs.groupby("estimator")}
    return {name: of.get(name, set()) for name in estimators}


def largest(of: dict[str, set[str]]) -> tuple[list[str], set[str]]:
    """Return the estimators of the largest table, in the order of `of`, and its problems.

    Of equally large tables, the one with more estimators is taken. Without runs both are empty.

    Args:
        of: estimator -> the problems that it ran on.
    """
    names = sorted(of, key=lambda name: -len(of[name]))
    best, common, shared = 0, set(), set()
    for count, name in enumerate(names, 1):
        shared = of[name] & shared if count > 1 else of[name]
        if shared and count * len(shared) >= best * len(common):
            best, common = count, shared
    chosen = names[:best]
    return [name for name in of if name in chosen], common
