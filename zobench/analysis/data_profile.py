"""Data profiles (Moré and Wild 2009, https://doi.org/10.1137/080724083).

d(k) = share of problems whose target is reached within k (dimension + 1) queries: k counts
simplex gradients. Independent of which other estimators are compared, if the targets are.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from zobench.errors import BadInput

NAMES = ["estimator", "target_index", "k", "share", "problems"]


def data_profile(table: pd.DataFrame, k: np.ndarray) -> pd.DataFrame:
    """Compute data profiles: one row per estimator, target_index and k.

    Of a problem with several runs the share of runs counts; problems weigh the same. Problems of
    unknown dimension are omitted.

    Args:
        table: a `run_table` in queries.
        k: numbers of simplex gradients, (n,).

    Returns:
        Columns: estimator, target_index, k, share, problems.

    Raises:
        BadInput: a k is negative.
    """
    k = np.asarray(k, float)
    if (k < 0).any():
        raise BadInput("a data profile is drawn over k >= 0 simplex gradients")
    rows_with_dimension = table.loc[table["dimension"].notna()]
    groups = rows_with_dimension.groupby(["estimator", "target_index"], sort=False)
    parts = []
    for (estimator, index), part in groups:
        shares = []
        for _, rows in part.groupby("problem", sort=False):
            cost = rows["length"].to_numpy(float) / (rows["dimension"].to_numpy(float) + 1)
            cost = np.where(rows["success"].to_numpy(bool), cost, np.inf)
            shares.append((cost[:, None] <= k).mean(axis=0))
        profile = pd.DataFrame({"k": k, "share": np.mean(shares, axis=0)})
        facts = {"estimator": estimator, "target_index": index, "problems": len(shares)}
        parts.append(profile.assign(**facts))
    if not parts:
        return pd.DataFrame(columns=pd.Index(NAMES))
    return pd.concat(parts, ignore_index=True).loc[:, NAMES]
