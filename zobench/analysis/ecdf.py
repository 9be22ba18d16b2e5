"""Run-length distributions: the share of (problem, target) pairs reached, over queries.

ECDF(x) = mean over problems, targets and runs of [log10(queries / dimension) <= x]; problems weigh
the same, however many runs they have. There is one curve per dimension and estimator: curves of
different dimensions are never merged. Without restarts there are no data beyond the budget: curves
of two estimators are comparable up to the smaller of their budgets.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from zobench.analysis.interval import FEWEST, LEVEL

POINTS = 201
UNSEEN = 0.25  # of the variance of runs that agree, see `band`


def ecdf(
    table: pd.DataFrame,
    points: int = POINTS,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Compute curves with bands from a `run_table` in queries.

    Columns: dimension, estimator, x (log10 of queries per dimension, `points` of them from the
    first query to the largest budget), share, low, high (the pointwise `band` of `level`),
    problems, runs, budget (the median log10(budget / dimension), where to put the cross).
    """
    parts = []
    rows_with_dimension = table.loc[table["dimension"].notna()]
    for dimension, part in rows_with_dimension.groupby("dimension"):
        top = np.log10(part["budget"].max() / dimension)
        x = np.linspace(-np.log10(dimension), top, points)
        for estimator, rows in part.groupby("estimator", sort=False):
            curves = list(_problem_curves(rows, x, float(dimension)))
            share = np.mean([c.mean(axis=0) for c in curves], axis=0)
            low, high = band(curves, level)
            curve = {"x": x, "share": share, "low": low, "high": high}
            facts = {
                "dimension": int(dimension),
                "estimator": estimator,
                "problems": len(curves),
                "runs": sum(map(len, curves)),
                "budget": np.log10(rows["budget"].median() / dimension),
            }
            parts.append(pd.DataFrame(curve).assign(**facts))
    names = ["dimension", "estimator", "x", "share", "low", "high", "problems", "runs", "budget"]
    if not parts:
        return pd.DataFrame(columns=pd.Index(names))
    return pd.concat(parts, ignore_index=True).loc[:, names]


def band(curves: list[np.ndarray], level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Return pointwise limits, (points,) each, of the mean over problems of the mean over runs.

    Problems are given, runs are random. `curves`: for each problem an array (runs, points) of
    values in 0 to 1. Wilson's score interval
    with Student's t and the effective number of runs, share (1 - share) / variance, as for shares
    in stratified samples (Korn & Graubard, Survey Methodology 24, 1998, with Wilson's limits for
    Clopper and Pearson's); values in 0 to 1 vary no more than shares do, so it is at least the
    number of runs. Where the n runs of a problem agree, or n = 1, the variance of their mean is
    taken as UNSEEN / n^2 and not as 0: 15 successes do not make success certain. (Resamples of runs
    that agree have no spread at all.) NaN below three degrees of freedom, such as of three runs.
    """
    freedom = sum(len(c) - 1 for c in curves)
    share = np.mean([c.mean(axis=0) for c in curves], axis=0)
    if freedom < FEWEST:
        return np.full_like(share, np.nan), np.full_like(share, np.nan)
    variance = sum(_variance(c) for c in curves) / len(curves) ** 2
    spread = share * (1 - share)
    # There are at least as many effective runs as this.
    runs = len(curves) ** 2 / sum(1 / len(c) for c in curves)
    square = stdtrit(freedom, (1 + level) / 2) ** 2 / np.maximum(spread / variance, runs)
    half = np.sqrt(square * (spread + square / 4))
    low, high = ((share + square / 2 + sign * half) / (1 + square) for sign in (-1, 1))
    return np.clip(low, 0, share), np.clip(high, share, 1)


def _variance(curves: np.ndarray) -> np.ndarray:
    """The variance of the mean of a problem's runs, (points,)."""
    n = len(curves)
    variance = curves.var(axis=0) / max(n - 1, 1)
    return np.where(variance < 1e-12, UNSEEN / n**2, variance)


def _problem_curves(rows: pd.DataFrame, x: np.ndarray, dimension: float) -> Iterator[np.ndarray]:
    """Yield for each problem the share of targets that each run reached by x, (runs, points)."""
    problem, _ = pd.factorize(rows["problem"])
    run = rows.groupby(["problem", "repetition"], sort=False).ngroup().to_numpy()
    success = rows["success"].to_numpy()
    reached = np.log10(rows["length"].to_numpy()[success] / dimension)
    # a small slack: an x that stands for an integer number of queries includes it
    column = np.searchsorted(x, reached - 1e-12)
    steps = np.zeros((run.max() + 1, len(x) + 1))
    np.add.at(steps, (run[success], column), 1.0)
    shares = steps[:, :-1].cumsum(axis=1) / np.bincount(run)[:, None]
    _, first = np.unique(run, return_index=True)
    for number in range(problem.max() + 1):
        yield shares[problem[first] == number]
