"""Log ratios of means with delta-method standard errors, for many resamples at once.

An expected run length is mean(length) / mean(success), and a speed-up is a ratio of two of them.
On the log scale both are theta = sum_k sign_k log mean(x_k), whose influence values
psi_i = sum_k sign_k x_ik / mean(x_k) give the standard error. A resample of the runs is a row of
weights, so thousands of them are a few small matrix products.
"""

from __future__ import annotations

from functools import cache

import numpy as np

# Multiplications per matrix product, so few that BLAS uses one thread: for products of this size,
# threads spend far more time on waiting for each other than on computing.
BLOCK = 2**17


def log_ratio(
    x: np.ndarray, signs: np.ndarray, weights: np.ndarray, strata: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute theta and its standard error for each row of weights.

    Args:
        x: values of the runs, (n, k).
        signs: +1 for a numerator and -1 for a denominator, (k,), with sum 0.
        weights: how often each run counts, (b, n). All rows have the same total in a stratum.
        strata: numbers 0, 1, ... of the groups within which runs are drawn, (n,).

    Returns:
        (theta, standard error), each (b,). Both are NaN if a weighted mean is 0. The standard error
        is that of a stratified mean, and NaN if a stratum has a single run.
    """
    k = x.shape[1]
    one, other = _pairs(k)
    factors = signs[one] * signs[other] * np.where(one == other, 1.0, 2.0)
    count = np.bincount(strata, weights=weights[0])
    size = float(count.sum())
    with np.errstate(divide="ignore"):
        bessel = np.where(count > 1, count / (count - 1), np.nan)
    # sums over runs of values and of their products, as rows of (b,): all are two matrix products
    sums = _summed(x, weights)
    sums[:, (sums <= 0).any(axis=0)] = np.nan
    means = sums / size
    inverse = 1 / means
    products = _summed(bessel[strata][:, None] * x[:, one] * x[:, other] * factors, weights)
    products *= inverse[one]
    products *= inverse[other]
    spread = products.sum(axis=0)
    if len(count) > 1:  # in a single stratum, influence values add up to 0
        for number, factor in enumerate(bessel / count):
            rows = strata == number
            first = (_summed(x[rows] * signs, weights[:, rows]) * inverse).sum(axis=0)
            spread -= factor * first**2
    # equal runs have no spread: the remainder is rounding
    spread[spread < 1e-11 * products[one == other].sum(axis=0)] = 0.0
    return signs @ np.log(means), np.sqrt(spread) / size


@cache
def _pairs(k: int) -> tuple[np.ndarray, np.ndarray]:
    return np.triu_indices(k)


def _summed(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The product x.T @ weights.T, (k, b)."""
    sums = np.empty((x.shape[1], len(weights)))
    step = max(1, BLOCK // x.size)
    for first in range(0, len(weights), step):
        part = slice(first, first + step)
        np.matmul(x.T, weights[part].T.astype(float), out=sums[:, part])
    return sums
