"""Performance profiles against a frozen reference (Dolan and Moré, https://arxiv.org/abs/cs/0102001).

rho(r) = share of problems whose ERT (in queries or seconds), or peak memory, is at most r times the
reference's. The original divides by
the best of the set, so removing one estimator may turn the order of the others; a reference that
is frozen once cannot do that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from zobench.analysis.ert import ert
from zobench.analysis.runlengths import Cases
from zobench.errors import BadInput


def ratios(table: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """One row a (problem, target_index, estimator): ratio = ERT / ERT of the reference.

    Both from `run_table`, in one unit; `reference` holds the runs of one estimator. inf: not
    reached; problems that the reference did not reach, or where a length is unknown, are left out.
    Raises BadInput if `reference` holds another number of estimators.
    """
    costs = (
        {key: ert(runs.length, runs.success) for key, runs in Cases(frame).items()}
        for frame in (table, _of_one(reference))
    )
    return _over(*costs)


def memory_ratios(table: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """As `ratios`, in memory: median of peak_memory over runs, inf where no run met the target.

    Both from `run_table`, with the column peak_memory (bytes) of each run beside.
    """
    return _over(_memory(table), _memory(_of_one(reference)))


def _memory(table: pd.DataFrame) -> dict[tuple, float]:
    """(problem, target_index, estimator) -> median bytes; NaN where no run was measured."""
    cells: Any = table.groupby(["problem", "target_index", "estimator"], sort=False)
    found = cells.agg(bytes=("peak_memory", "median"), met=("success", "any"))
    return dict(zip(found.index, np.where(found["met"], found["bytes"], np.inf)))


def _of_one(reference: pd.DataFrame) -> pd.DataFrame:
    names = list(reference["estimator"].unique())
    if len(names) != 1:
        raise BadInput(f"a reference is one estimator, not {len(names)}: freeze the runs of one")
    return reference


def _over(costs: dict[tuple, float], reference: dict[tuple, float]) -> pd.DataFrame:
    base = {(problem, index): cost for (problem, index, _), cost in reference.items()}
    rows = []
    for (problem, index, estimator), own in costs.items():
        unit = base.get((problem, index), np.inf)
        if np.isfinite(unit) and not np.isnan(own):
            rows.append((problem, index, estimator, own / unit))
    return pd.DataFrame(rows, columns=pd.Index(["problem", "target_index", "estimator", "ratio"]))


def profile(found: pd.DataFrame, at: np.ndarray) -> pd.DataFrame:
    """rho at the ratios `at`: columns estimator, r, share, problems; `found` from `ratios`.

    All targets of a problem count, problems weigh the same.
    """
    at = np.asarray(at, float)
    parts = []
    for estimator, mine in found.groupby("estimator", sort=False):
        shares = [
            (rows["ratio"].to_numpy()[:, None] <= at).mean(axis=0)
            for _, rows in mine.groupby("problem", sort=False)
        ]
        curve = pd.DataFrame({"r": at, "share": np.mean(shares, axis=0)})
        parts.append(curve.assign(estimator=estimator, problems=len(shares)))
    names = ["estimator", "r", "share", "problems"]
    if not parts:
        return pd.DataFrame(columns=pd.Index(names))
    return pd.concat(parts, ignore_index=True).loc[:, names]
