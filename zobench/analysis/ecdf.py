"""Run-length distributions: which share of (problem, target) pairs is reached by when.

ECDF(x) = mean over problems, targets and runs of [log10(queries / dimension) <= x]; problems weigh
the same, however many runs they have. One curve a (dimension, estimator): curves of different
dimensions are never merged. Without restarts nothing is known beyond the budget: curves of two
estimators are comparable up to the smaller of their budgets.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from zobench.analysis.interval import LEVEL
from zobench.analysis.resampling import generator

POINTS = 201


def ecdf(
    table: pd.DataFrame,
    points: int = POINTS,
    level: float = LEVEL,
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Curves with bands from a `run_table` in queries.

    Columns: dimension, estimator, x (log10 of queries per dimension, `points` of them from the
    first query to the largest budget), share, low, high (the pointwise `level` band: runs drawn
    anew within each problem; problems and targets are given), problems, runs, budget (the median
    log10(budget / dimension), where to put the cross).
    """
    parts = []
    known = table.loc[table["dimension"].notna()]
    for dimension, part in known.groupby("dimension"):
        top = np.log10(part["budget"].max() / dimension)
        x = np.linspace(-np.log10(dimension), top, points)
        for estimator, mine in part.groupby("estimator", sort=False):
            rng = generator(seed, "ecdf", str(estimator), str(int(dimension)))
            curves = list(_problem_curves(mine, x, float(dimension)))
            share = np.mean([c.mean(axis=0) for c in curves], axis=0)
            draws = np.mean([_resampled(c, resamples, rng) for c in curves], axis=0)
            low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
            curve = {"x": x, "share": share, "low": low, "high": high}
            facts = {
                "dimension": int(dimension),
                "estimator": estimator,
                "problems": len(curves),
                "runs": sum(map(len, curves)),
                "budget": np.log10(mine["budget"].median() / dimension),
            }
            parts.append(pd.DataFrame(curve).assign(**facts))
    names = ["dimension", "estimator", "x", "share", "low", "high", "problems", "runs", "budget"]
    if not parts:
        return pd.DataFrame(columns=pd.Index(names))
    return pd.concat(parts, ignore_index=True).loc[:, names]


def _problem_curves(rows: pd.DataFrame, x: np.ndarray, dimension: float) -> Iterator[np.ndarray]:
    """For each problem the share of targets that each run reached by x: (runs, points)."""
    problem, _ = pd.factorize(rows["problem"])
    run = rows.groupby(["problem", "repetition"], sort=False).ngroup().to_numpy()
    success = rows["success"].to_numpy()
    reached = np.log10(rows["length"].to_numpy()[success] / dimension)
    # a hair of slack: x that stands for a whole number of queries includes it
    place = np.searchsorted(x, reached - 1e-12)
    steps = np.zeros((run.max() + 1, len(x) + 1))
    np.add.at(steps, (run[success], place), 1.0)
    shares = steps[:, :-1].cumsum(axis=1) / np.bincount(run)[:, None]
    _, first = np.unique(run, return_index=True)
    for number in range(problem.max() + 1):
        yield shares[problem[first] == number]


def _resampled(curves: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Means of `resamples` bootstrap samples of the rows: (resamples, points)."""
    n = len(curves)
    return rng.multinomial(n, np.full(n, 1 / n), resamples) / n @ curves
