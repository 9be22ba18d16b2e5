"""Which estimators and problems can stand in one table, where not every estimator ran everywhere.

Methods that cannot run everywhere would leave few problems, or none, that all of them ran. So those
with the fewest problems are left out where this gives the largest table, estimators times common
problems. Who ran where does not depend on results: failed runs are runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def ran_on(table: pd.DataFrame, estimators: Sequence[str]) -> dict[str, set[str]]:
    """Estimator -> its problems, from a `run_table`."""
    pairs = table[["estimator", "problem"]].drop_duplicates()  # few: sets of all rows are slow
    of = {name: set(group["problem"]) for name, group in pairs.groupby("estimator")}
    return {name: of.get(name, set()) for name in estimators}


def largest(of: dict[str, set[str]]) -> tuple[list[str], set[str]]:
    """The estimators of the largest table, in the order given, and its problems.

    Equally large: the one with more estimators. Empty where nobody ran.
    """
    names = sorted(of, key=lambda name: -len(of[name]))
    best, common, shared = 0, set(), set()
    for count, name in enumerate(names, 1):
        shared = of[name] & shared if count > 1 else of[name]
        if shared and count * len(shared) >= best * len(common):
            best, common = count, shared
    chosen = names[:best]
    return [name for name in of if name in chosen], common
