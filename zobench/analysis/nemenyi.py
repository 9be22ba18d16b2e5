"""Critical differences of mean ranks: Nemenyi's test of all pairs after Friedman's.

Two estimators differ if their mean ranks do by CD = q sqrt(k (k + 1) / (6 N)), q the upper quantile
of the range of k standard normals over sqrt 2 (Demšar 2006, section 3.2.2). A diagram of it depends
on the set of estimators: show the ranks, and sizes of differences, with it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri

from zobench.analysis.adjust import holm
from zobench.errors import BadInput


@lru_cache
def range_quantile(k: int, level: float = 0.95) -> float:
    """Return the `level` quantile of the range of k independent standard normals."""
    low, high = 0.0, 2 * float(ndtri(1 - (1 - level) / (2 * k))) + 1
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _range_below(middle, k) < level else (low, middle)
    return (low + high) / 2


def _range_below(q: float, k: int) -> float:
    """P(range <= q) = k integral of phi(z) (Phi(z) - Phi(z - q))^(k - 1) dz."""
    z, step = np.linspace(-9, 9, 2001, retstep=True)  # smooth and flat at the ends: exact enough
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return float(k * step * np.sum(density * (ndtr(z) - ndtr(z - q)) ** (k - 1)))


def critical_difference(k: int, problems: int, level: float = 0.95) -> float:
    """Return Nemenyi's critical difference of mean ranks.

    Args:
        k: number of estimators, at least 2.
        problems: number of problems.
        level: 1 - the probability of any false difference.

    Raises:
        BadInput: an argument is out of range.
    """
    if k < 2 or problems < 1 or not 0 < level < 1:
        raise BadInput("a critical difference needs 2 estimators, a problem and 0 < level < 1")
    return range_quantile(k, level) / np.sqrt(2) * np.sqrt(k * (k + 1) / (6 * problems))


def cliques(ranks: np.ndarray, difference: float) -> list[tuple[int, ...]]:
    """Return the largest sets of estimators that do not differ, as indices in the order of ranks.

    They are the bars of a diagram of critical differences; single estimators have none.

    Args:
        ranks: mean ranks, (k,).
        difference: the critical difference.
    """
    order = np.argsort(ranks, kind="stable")
    result: list[tuple[int, ...]] = []
    last = 0
    for first in range(len(order)):
        within = np.asarray(ranks)[order] - ranks[order[first]] < difference
        end = int(np.flatnonzero(within)[-1]) + 1
        if end > max(last, first + 1):
            result.append(tuple(int(i) for i in order[first:end]))
            last = end
    return result


def against_control(ranks: np.ndarray, problems: int, control: int) -> np.ndarray:
    """Return Holm's p-values of a difference from the control, (k,); NaN for the control.

    z = (R_i - R_control) / sqrt(k (k + 1) / (6 N)). This is more powerful than Nemenyi's test if
    only comparisons with one estimator matter.

    Args:
        ranks: mean ranks, (k,).
        problems: N.
        control: index of the control in `ranks`.
    """
    ranks = np.asarray(ranks, float)
    error = np.sqrt(len(ranks) * (len(ranks) + 1) / (6 * problems))
    p = 2 * ndtr(-np.abs(ranks - ranks[control]) / error)
    p[control] = np.nan
    return holm(p)
