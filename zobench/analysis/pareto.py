"""The Pareto front of seconds against memory at a target: who is not beaten in both at once."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from zobench.analysis.frames import require
from zobench.errors import BadInput


def on_front(costs: np.ndarray) -> np.ndarray:
    """Which rows of `costs` (n, k), lower is better, no other row dominates: (n,) of bool.

    A row dominates another if it is nowhere above it and somewhere below. Equal rows do not
    dominate each other. Rows with a NaN or an infinite cost are never on the front.
    """
    costs = np.asarray(costs, float)
    places = np.flatnonzero(np.isfinite(costs).all(axis=1))
    front, others = np.zeros(len(costs), dtype=bool), costs[places]
    for i in places:
        beaten = (others <= costs[i]).all(axis=1) & (others < costs[i]).any(axis=1)
        front[i] = not beaten.any()
    return front


def pareto(summary: pd.DataFrame, which: Literal["final", "hardest"] = "final") -> pd.DataFrame:
    """One row a (problem, estimator): seconds (ERT), memory (median peak, bytes), front.

    `summary` from `table.summary`, at its final target or the hardest one that was reached.
    First-order references stand on no front and push nobody off it. Raises BadInput.
    """
    if which not in ("final", "hardest"):
        raise BadInput(f"which is 'final' or 'hardest', not {which!r}")
    columns = ["problem", "estimator", "first_order", f"{which}_seconds", "peak_memory"]
    require(summary, "summary", columns)
    named = {f"{which}_seconds": "seconds", "peak_memory": "memory"}
    found = summary.rename(columns=named)[[named.get(c, c) for c in columns]]
    front = np.zeros(len(found), dtype=bool)
    for rows in found.groupby("problem", sort=False).indices.values():
        part = found.iloc[rows]
        costs = part[["seconds", "memory"]].to_numpy(float, copy=True)
        costs[part["first_order"].to_numpy(bool)] = np.nan
        front[rows] = on_front(costs)
    return found.assign(front=front).reset_index(drop=True)
