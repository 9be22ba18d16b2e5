"""Performance profiles against a frozen reference (Dolan and Moré, https://arxiv.org/abs/cs/0102001).

rho(r) = share of problems whose ERT (in queries or seconds), or peak memory, is at most r times
that of the reference. The original divides by the best of the set, so removing one estimator may
reverse the order of the others. With a fixed reference this cannot happen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from zobench.analysis.ert import ert
from zobench.analysis.runlengths import Cases
from zobench.errors import BadInput


def ratios(table: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Return ERT / ERT of the reference, one row per problem, target_index and estimator.

    Problems that the reference did not reach, or with an unknown length, are omitted.

    Args:
        table: a `run_table`.
        reference: a `run_table` in the same unit, of one estimator.

    Returns:
        Columns: problem, target_index, estimator, ratio (inf: not reached).

    Raises:
        BadInput: `reference` has runs of no estimator, or of several.
    """
    costs = (
        {key: ert(runs.length, runs.success) for key, runs in Cases(frame).items()}
        for frame in (table, _of_one(reference))
    )
    return _over(*costs)


def memory_ratios(table: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Return ratios as `ratios` does, of the median peak memory instead of the ERT.

    The ratio is inf if no run met the target.

    Args:
        table: a `run_table` with the column peak_memory (bytes) of each run.
        reference: as `table`, of one estimator.

    Raises:
        BadInput: `reference` has runs of no estimator, or of several.
    """
    return _over(_memory(table), _memory(_of_one(reference)))


def _memory(table: pd.DataFrame) -> dict[tuple, float]:
    """Map (problem, target_index, estimator) to median bytes; NaN if no run was measured."""
    cells: Any = table.groupby(["problem", "target_index", "estimator"], sort=False)
    medians = cells.agg(bytes=("peak_memory", "median"), met=("success", "any"))
    return dict(zip(medians.index, np.where(medians["met"], medians["bytes"], np.inf)))


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


def profile(table: pd.DataFrame, at: np.ndarray) -> pd.DataFrame:
    """Return rho of each estimator. All targets of a problem count, problems weigh the same.

    Args:
        table: the data frame of `ratios` or `memory_ratios`.
        at: the ratios r, (n,).

    Returns:
        Columns: estimator, r, share, problems.
    """
    at = np.asarray(at, float)
    parts = []
    for estimator, part in table.groupby("estimator", sort=False):
        shares = [
            (rows["ratio"].to_numpy()[:, None] <= at).mean(axis=0)
            for _, rows in part.groupby("problem", sort=False)
        ]
        curve = pd.DataFrame({"r": at, "share": np.mean(shares, axis=0)})
        parts.append(curve.assign(estimator=estimator, problems=len(shares)))
    names = ["estimator", "r", "share", "problems"]
    if not parts:
        return pd.DataFrame(columns=pd.Index(names))
    return pd.concat(parts, ignore_index=True).loc[:, names]
