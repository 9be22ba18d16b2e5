"""Which target of each problem a statistic is about: problem -> target_index.

Targets are numbered from the easiest to the hardest, so no score is ever compared here.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

Targets = dict[str, int]


def final_targets(problems: pd.DataFrame) -> Targets:
    """The hardest target of each problem: chosen before any run was made."""
    return _hardest(problems)


def hardest_reached(table: pd.DataFrame) -> Targets:
    """The hardest target that any run in the table reached; problems without one are left out."""
    return _hardest(table.loc[table["success"]])


def hardest_common(table: pd.DataFrame, a: str, b: str, share: float = 0.5) -> Targets:
    """The hardest target that both `a` and `b` reached in at least `share` of their runs."""
    return common_of(often_reached(table, share), a, b)


def often_reached(table: pd.DataFrame, share: float = 0.5) -> pd.DataFrame:
    """problem, target_index, estimator where it reached the target in `share` of its runs."""
    cell = ["problem", "target_index", "estimator"]
    rates: Any = table.groupby(cell, as_index=False)["success"].mean()
    return rates.loc[rates["success"] >= share, cell]


def common_of(often: pd.DataFrame, a: str, b: str) -> Targets:
    """`hardest_common` of what `often_reached` found, which serves many pairs."""
    mine = often.loc[often["estimator"].isin([a, b])]
    counts: Any = mine.groupby(["problem", "target_index"], as_index=False).size()
    return _hardest(counts.loc[counts["size"] == len({a, b})])


def _hardest(frame: Any) -> Targets:
    hardest = frame.groupby("problem", sort=False)["target_index"].max()
    return {str(problem): int(index) for problem, index in hardest.items()}
