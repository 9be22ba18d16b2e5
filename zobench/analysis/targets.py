"""Choose one target per problem for a statistic: problem -> target_index.

Targets are numbered from the easiest to the hardest, so scores are not compared here.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

Targets = dict[str, int]


def final_targets(problems: pd.DataFrame) -> Targets:
    """Return the hardest target of each problem, which the suite fixes before any run."""
    return _hardest(problems)


def hardest_reached(table: pd.DataFrame) -> Targets:
    """Return the hardest target that any run in a `run_table` reached; problems may lack one."""
    return _hardest(table.loc[table["success"]])


def hardest_common(table: pd.DataFrame, a: str, b: str, share: float = 0.5) -> Targets:
    """Return the hardest target that both `a` and `b` reached in at least `share` of their runs."""
    return common_of(often_reached(table, share), a, b)


def often_reached(table: pd.DataFrame, share: float = 0.5) -> pd.DataFrame:
    """Return the problems, targets and estimators with at least `share` of successful runs.

    Columns: problem, target_index, estimator.
    """
    cell = ["problem", "target_index", "estimator"]
    rates: Any = table.groupby(cell, as_index=False)["success"].mean()
    return rates.loc[rates["success"] >= share, cell]


def common_of(often: pd.DataFrame, a: str, b: str) -> Targets:
    """Return `hardest_common` from the data frame of `often_reached`, which serves many pairs."""
    rows = often.loc[often["estimator"].isin([a, b])]
    counts: Any = rows.groupby(["problem", "target_index"], as_index=False).size()
    return _hardest(counts.loc[counts["size"] == len({a, b})])


def _hardest(frame: Any) -> Targets:
    hardest = frame.groupby("problem", sort=False)["target_index"].max()
    return {str(problem): int(index) for problem, index in hardest.items()}
