"""A log ratio of means and its delta-method standard error, for many weightings at once.

An expected run length is mean(length) / mean(success), and a speed-up is a ratio of two of them.
On the log scale both are theta = sum_k sign_k log mean(x_k), whose influence values
psi_i = sum_k sign_k x_ik / mean(x_k) give the standard error. A resample of the runs is a row of
weights, so thousands of them are a few small matrix products.
"""

from __future__ import annotations

import numpy as np


def log_ratio(
    x: np.ndarray, signs: np.ndarray, weights: np.ndarray, strata: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(theta, standard error), each of shape (b,); NaN where a weighted mean is 0.

    `x` (n, k) are the values of the runs, `signs` (k,) is +1 for a numerator and -1 for a
    denominator, `weights` (b, n) say how often a run counts, `strata` (n,) number the groups
    (0, 1, ...) within which runs are drawn. The standard error is that of a stratified mean, NaN
    where a stratum has a single run.
    """
    products = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    k = x.shape[1]
    size = weights.sum(axis=1)
    means = weights @ x / size[:, None]
    means[(means <= 0).any(axis=1)] = np.nan
    gradient = signs / means
    outer = gradient[:, :, None] * gradient[:, None, :]
    variance = np.zeros(len(weights))
    for stratum in range(int(strata.max()) + 1):
        rows = strata == stratum
        part = weights[:, rows]
        count = part.sum(axis=1)
        first = np.einsum("bk,bk->b", part @ x[rows], gradient)
        terms = (part @ products[rows]).reshape(-1, k, k) * outer
        second = terms.sum(axis=(1, 2))
        spread = second - first**2 / count
        # equal runs have no spread: what is left is rounding
        spread[spread < 1e-11 * np.trace(terms, axis1=1, axis2=2)] = 0.0
        variance += spread * count / np.where(count > 1, count - 1, np.nan)
    return np.log(means) @ signs, np.sqrt(variance) / size
