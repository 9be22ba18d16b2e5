"""Which target of each problem a statistic is about: problem -> target_index.

Targets are numbered from the easiest to the hardest, so no score is ever compared here.
"""

from __future__ import annotations

import pandas as pd

Targets = dict[str, int]


def final_targets(problems: pd.DataFrame) -> Targets:
    """The hardest target of each problem: chosen before any run was made."""
    return _as_dict(problems.groupby("problem", sort=False)["target_index"].max())


def hardest_reached(table: pd.DataFrame) -> Targets:
    """The hardest target that any run in the table reached; problems without one are left out."""
    reached = table[table["success"]]
    return _as_dict(reached.groupby("problem", sort=False)["target_index"].max())


def hardest_common(table: pd.DataFrame, a: str, b: str, share: float = 0.5) -> Targets:
    """The hardest target that both `a` and `b` reached in at least `share` of their runs."""
    table = table[table["estimator"].isin([a, b])]
    rates = table.groupby(["problem", "target_index", "estimator"])["success"].mean().unstack()
    if a not in rates or b not in rates:
        return {}
    both = rates[(rates[a] >= share) & (rates[b] >= share)].reset_index()
    return _as_dict(both.groupby("problem")["target_index"].max())


def _as_dict(series: pd.Series) -> Targets:
    return {str(problem): int(index) for problem, index in series.items()}
