"""Friedman's test of k estimators over N problems, and the one of Iman and Davenport.

Source: Demšar 2006, https://jmlr.org/papers/v7/demsar06a.html, section 3.2.2; ties as in Conover's
book. N is the number of problems, never of runs: those of one problem are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, fdtrc

from zobench.analysis.midranks import midranks
from zobench.errors import BadInput


@dataclass(frozen=True)
class Friedman:
    """Tests of the hypothesis that no estimators differ.

    Attributes:
        ranks: mean rank of each estimator, (k,); 1 is best.
        problems: N.
        chi2: Friedman's statistic.
        p_chi2: its p-value.
        f: the statistic of Iman and Davenport, F with k - 1 and (k - 1)(N - 1) degrees of freedom.
        p: its p-value, which is less conservative: the one to use.
    """

    ranks: np.ndarray
    problems: int
    chi2: float
    p_chi2: float
    f: float
    p: float


def friedman(scores: np.ndarray, higher_is_better: bool = True) -> Friedman:
    """Test whether k estimators differ over N problems.

    Args:
        scores: one row per problem and one column per estimator, (N, k).
        higher_is_better: False if low scores are better.

    Raises:
        BadInput: a score is NaN, or k or N is below 2.
    """
    scores = np.asarray(scores, float)
    if scores.ndim != 2 or min(scores.shape) < 2:
        raise BadInput(
            f"a Friedman test needs 2 problems and 2 estimators or more, not {scores.shape}"
        )
    if np.isnan(scores).any():
        raise BadInput("a Friedman test needs a score of every estimator on every problem")
    n, k = scores.shape
    row_ranks = midranks(-scores if higher_is_better else scores)
    ranks = row_ranks.mean(axis=0)
    spread = float(((row_ranks - (k + 1) / 2) ** 2).sum())  # n k (k^2 - 1) / 12 without ties
    if not spread > 0:
        return Friedman(ranks, n, 0.0, 1.0, 0.0, 1.0)
    chi2 = (k - 1) * n**2 * float(((ranks - (k + 1) / 2) ** 2).sum()) / spread
    remainder = n * (k - 1) - chi2
    certain = remainder <= 1e-12 * n * (k - 1)  # all problems rank alike
    f = np.inf if certain else (n - 1) * chi2 / remainder
    p = 0.0 if certain else float(fdtrc(k - 1, (k - 1) * (n - 1), f))
    return Friedman(ranks, n, chi2, float(chdtrc(k - 1, chi2)), float(f), p)
