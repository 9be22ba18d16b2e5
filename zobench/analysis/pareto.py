"""The Pareto front of seconds against memory at a target."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from zobench.analysis.frames import require
from zobench.errors import BadInput


def on_front(costs: np.ndarray) -> np.ndarray:
    """Return True for each row of costs that no other row dominates, (n,).

    A row dominates another if no cost is higher and one is lower. Equal rows do not dominate each
    other. Rows with a NaN or an infinite cost are never on the front.

    Args:
        costs: (n, k); lower is better.
    """
    costs = np.asarray(costs, float)
    finite = np.flatnonzero(np.isfinite(costs).all(axis=1))
    front, others = np.zeros(len(costs), dtype=bool), costs[finite]
    for i in finite:
        dominates = (others <= costs[i]).all(axis=1) & (others < costs[i]).any(axis=1)
        front[i] = not dominates.any()
    return front


def pareto(summary: pd.DataFrame, which: Literal["final", "hardest"] = "final") -> pd.DataFrame:
    """Compute the front of each problem: one row per problem and estimator.

    First-order references are not on a front and do not dominate an estimator.

    Args:
        summary: the data frame of `table.summary`.
        which: "final" for the final target, "hardest" for the hardest one that a run reached.

    Returns:
        Columns: problem, estimator, first_order, seconds (ERT), memory (median peak, bytes), front.

    Raises:
        BadInput: `which` is unknown, or a column is missing.
    """
    if which not in ("final", "hardest"):
        raise BadInput(f"which is 'final' or 'hardest', not {which!r}")
    columns = ["problem", "estimator", "first_order", f"{which}_seconds", "peak_memory"]
    require(summary, "summary", columns)
    new_names = {f"{which}_seconds": "seconds", "peak_memory": "memory"}
    costs_of = summary.rename(columns=new_names)[[new_names.get(c, c) for c in columns]]
    front = np.zeros(len(costs_of), dtype=bool)
    for rows in costs_of.groupby("problem", sort=False).indices.values():
        part = costs_of.iloc[rows]
        costs = part[["seconds", "memory"]].to_numpy(float, copy=True)
        costs[part["first_order"].to_numpy(bool)] = np.nan
        front[rows] = on_front(costs)
    return costs_of.assign(front=front).reset_index(drop=True)
