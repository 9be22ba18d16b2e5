"""A log ratio of means and its delta-method standard error, for many weightings at once.

An expected run length is mean(length) / mean(success), and a speed-up is a ratio of two of them.
On the log scale both are theta = sum_k sign_k log mean(x_k), whose influence values
psi_i = sum_k sign_k x_ik / mean(x_k) give the standard error. A resample of the runs is a row of
weights, so thousands of them are a few small matrix products.
"""

from __future__ import annotations

from functools import cache

import numpy as np

# Multiplications at a time, so few that BLAS does not share them among threads: for products as
# small as these, threads spend far more time on waiting for each other than on computing.
BLOCK = 2**17


def log_ratio(
    x: np.ndarray, signs: np.ndarray, weights: np.ndarray, strata: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(theta, standard error), each of shape (b,); NaN where a weighted mean is 0.

    `x` (n, k) are the values of the runs, `signs` (k,) is +1 for a numerator and -1 for a
    denominator and adds up to 0, `weights` (b, n) say how often a run counts, `strata` (n,) number
    the groups (0, 1, ...) within which runs are drawn: every row has the same total in each. The
    standard error is that of a stratified mean, NaN where a stratum has a single run.
    """
    k = x.shape[1]
    one, other = _pairs(k)
    times = signs[one] * signs[other] * np.where(one == other, 1.0, 2.0)
    count = np.bincount(strata, weights=weights[0])
    size = float(count.sum())
    with np.errstate(divide="ignore"):
        worth = np.where(count > 1, count / (count - 1), np.nan)
    # sums over runs of values and of their products, as rows of (b,): all are two matrix products
    sums = _summed(x, weights)
    sums[:, (sums <= 0).any(axis=0)] = np.nan
    means = sums / size
    inverse = 1 / means
    products = _summed(worth[strata][:, None] * x[:, one] * x[:, other] * times, weights)
    products *= inverse[one]
    products *= inverse[other]
    spread = products.sum(axis=0)
    if len(count) > 1:  # in a single stratum, influence values add up to 0
        for number, factor in enumerate(worth / count):
            rows = strata == number
            first = (_summed(x[rows] * signs, weights[:, rows]) * inverse).sum(axis=0)
            spread -= factor * first**2
    # equal runs have no spread: what is left is rounding
    spread[spread < 1e-11 * products[one == other].sum(axis=0)] = 0.0
    return signs @ np.log(means), np.sqrt(spread) / size


@cache
def _pairs(k: int) -> tuple[np.ndarray, np.ndarray]:
    return np.triu_indices(k)


def _summed(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """x.T @ weights.T, (k, b)."""
    found = np.empty((x.shape[1], len(weights)))
    step = max(1, BLOCK // x.size)
    for first in range(0, len(weights), step):
        part = slice(first, first + step)
        np.matmul(x.T, weights[part].T.astype(float), out=found[:, part])
    return found
