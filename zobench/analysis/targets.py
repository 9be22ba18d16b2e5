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
    table = table.loc[table["estimator"].isin([a, b])]
    target = ["problem", "target_index"]
    rates: Any = table.groupby([*target, "estimator"], as_index=False)["success"].mean()
    often = rates.loc[rates["success"] >= share].groupby(target, as_index=False).size()
    return _hardest(often.loc[often["size"] == len({a, b})])


def _hardest(frame: Any) -> Targets:
    hardest = frame.groupby("problem", sort=False)["target_index"].max()
    return {str(problem): int(index) for problem, index in hardest.items()}
