"""Scores of a run: how soon it reached how many targets.

Both are areas under the share of targets reached, from the first query to the budget: 1 if every
target is reached at the first query, 0 if none is reached. They differ in the axis.

- `log_area`, on a log axis: mean over targets of 1 - log(q) / log(budget), 0 for a target that is
  missed. A factor in queries counts the same early and late.
- `aocc`, on a linear axis: mean over targets of (budget - q + 1) / budget, 0 if missed. As the
  number of targets grows, evenly spaced in log f from 1e2 to 1e-8, it becomes `aocc_of_trace`, the
  anytime score of https://arxiv.org/abs/2404.02031: 1 minus the mean over the budget of
  (clip(log10 f, -8, 2) + 8) / 10.

Runs are averaged within a problem, then problems: each problem weighs the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from zobench.analysis.interval import LEVEL
from zobench.analysis.pairs import satterthwaite


@dataclass(frozen=True)
class Mean:
    """A mean score with its interval.

    Attributes:
        value: the mean over problems.
        low: the lower limit; NaN if a problem has a single run, or if all runs of each problem are
            equal, since the spread is then unknown.
        high: the upper limit; NaN as `low`.
        problems: the number of problems.
        runs: the number of runs.
    """

    value: float
    low: float
    high: float
    problems: int
    runs: int


def log_area(queries: np.ndarray, success: np.ndarray, budget: np.ndarray) -> np.ndarray:
    """Return 1 - log(queries) / log(budget) of reached targets, 0 of others; element by element.

    Args:
        queries: until the target, (n,).
        success: True if the target was reached, (n,).
        budget: queries of the run, (n,).
    """
    budget = np.maximum(np.asarray(budget, float), 2.0)
    share = 1 - np.log(np.clip(queries, 1, budget)) / np.log(budget)
    return np.where(success, share, 0.0)


def aocc(queries: np.ndarray, success: np.ndarray, budget: np.ndarray) -> np.ndarray:
    """Return (budget - queries + 1) / budget of reached targets, 0 of others; element by element.

    Args:
        queries: until the target, (n,).
        success: True if the target was reached, (n,).
        budget: queries of the run, (n,).
    """
    share = (np.asarray(budget, float) - np.maximum(queries, 1) + 1) / budget
    return np.where(success, np.clip(share, 0, 1), 0.0)


def least_log_area(aocc_mean: float, budgets: Sequence[int], count: int | None = None) -> float:
    """Return a number that the mean `log_area` of runs with this mean `aocc` cannot be below.

    A target with a budget B gives the point (aocc, log_area): on a convex curve if it is hit, at
    q = 1..B, and (0, 0) if it is missed. For every slope s, the means over targets, runs and
    problems satisfy

        mean log_area >= s * mean aocc + mean over problems of min over points (log_area - s * aocc)

    The result is the largest right side of 64 slopes, around those of the curves at the mean. It
    is at least 0. A budget of 1 counts as 2, whose points include those of 1.

    Args:
        aocc_mean: the mean over problems, from 0 to 1.
        budgets: queries per run of each problem.
        count: how many of the problems were run, whichever they are; None: all.

    Example:
        >>> least_log_area(1.0, [400])
        1.0
        >>> round(least_log_area(0.75, [400]), 3)  # as of hits at query 101
        0.23
    """
    values, numbers = np.unique(np.maximum(budgets, 2), return_counts=True)
    budget = values[:, np.newaxis].astype(float)
    rate = budget / np.log(budget)  # the curve's slope is rate / q
    own = rate / (budget * (1 - aocc_mean) + 1)
    slopes = np.geomspace(own.min() / 2, own.max() * 2, 64)
    at = np.floor(np.clip(rate / slopes, 1, budget))  # the least is at this q or the next one
    least = np.zeros(at.shape)  # of a target that is missed
    for queries in (at, np.minimum(at + 1, budget)):
        is_hit = np.ones(at.shape, bool)
        areas = log_area(queries, is_hit, budget) - slopes * aocc(queries, is_hit, budget)
        least = np.minimum(least, areas)
    of_problems = np.sort(np.repeat(least, numbers, axis=0), axis=0)[:count]
    return float(max(0.0, (slopes * aocc_mean + of_problems.mean(axis=0)).max()))


def aocc_of_trace(
    queries: np.ndarray, gaps: np.ndarray, budget: int, low: float = -8.0, high: float = 2.0
) -> float:
    """Return 1 - mean over queries of (clip(log10 gap, low, high) - low) / (high - low).

    The best gap so far counts until the next row; before the first row no progress is counted.

    Args:
        queries: in ascending order, (n,).
        gaps: scores less their known minimum, (n,).
        budget: the mean is over the queries 1..budget.
        low: log10 of the lowest gap that counts.
        high: log10 of the highest gap that counts.
    """
    queries, gaps = np.asarray(queries), np.minimum.accumulate(np.asarray(gaps, float))
    with np.errstate(divide="ignore"):
        loss = (np.clip(np.log10(np.maximum(gaps, 0)), low, high) - low) / (high - low)
    ends = np.clip(np.append(np.maximum(queries, 1), budget + 1), 1, budget + 1)
    widths = np.diff(ends)  # the number of queries from a row to the next one
    return float(1 - (np.sum(widths * loss) + (ends[0] - 1)) / budget)


def run_scores(table: pd.DataFrame) -> pd.DataFrame:
    """Compute the scores of each run over all targets of its problem.

    Args:
        table: a `run_table` in queries.

    Returns:
        Columns: problem, estimator, repetition, log_area, aocc.
    """
    parts = (table[name].to_numpy() for name in ("length", "success", "budget"))
    queries, success, budget = parts
    scored = table[["problem", "estimator", "repetition"]].assign(
        log_area=log_area(queries, success, budget), aocc=aocc(queries, success, budget)
    )
    keys = ["problem", "estimator", "repetition"]
    groups = scored.groupby(keys, sort=False, as_index=False)
    return groups.agg(log_area=("log_area", "mean"), aocc=("aocc", "mean"))


def mean_score(scores: pd.DataFrame, estimator: str, column: str, level: float = LEVEL) -> Mean:
    """Return the mean over problems of the mean over runs of a score.

    The interval is Student's t for given problems: the variance is that of runs within problems.
    At 15 runs and 8 targets it covers in at least 92 % of the samples that the tests simulate. On
    few problems it covers less if rare runs differ much: if one run in ten fails, or reaches any
    target, and the scores of the others are almost equal.

    Args:
        scores: the data frame of `run_scores`.
        estimator: the estimator.
        column: "log_area" or "aocc".
        level: of the interval.
    """
    rows = scores.loc[scores["estimator"] == estimator]
    samples = [group.to_numpy() for _, group in rows.groupby("problem")[column]]
    if not samples:
        return Mean(np.nan, np.nan, np.nan, 0, 0)
    value = float(np.mean([s.mean() for s in samples]))
    runs = sum(map(len, samples))
    if min(map(len, samples)) < 2:
        return Mean(value, np.nan, np.nan, len(samples), runs)
    errors = [s.std(ddof=1) / np.sqrt(len(s)) for s in samples]
    freedom = satterthwaite(errors, [len(s) - 1 for s in samples])
    error = np.sqrt(np.square(errors).sum()) / len(samples)
    if error < 1e-12:
        return Mean(value, np.nan, np.nan, len(samples), runs)
    half = float(stdtrit(freedom, (1 + level) / 2)) * error
    return Mean(value, max(value - half, 0.0), min(value + half, 1.0), len(samples), runs)
