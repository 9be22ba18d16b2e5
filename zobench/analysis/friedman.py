"""Do k estimators differ over N problems? Friedman's test, and Iman and Davenport's better one.

Source: Demšar 2006, https://jmlr.org/papers/v7/demsar06a.html, section 3.2.2; ties as Conover has
them. N is the number of problems, never of runs: those of one problem are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, fdtrc

from zobench.analysis.midranks import midranks
from zobench.errors import BadInput


@dataclass(frozen=True)
class Friedman:
    """`ranks` (k,): mean rank of each estimator, 1 is best. Tests of "no difference" at all.

    `chi2` with `p_chi2` is Friedman's; `f` with `p` is Iman and Davenport's, F with k - 1 and
    (k - 1)(N - 1) degrees of freedom: take that one.
    """

    ranks: np.ndarray
    problems: int
    chi2: float
    p_chi2: float
    f: float
    p: float


def friedman(scores: np.ndarray, higher_is_better: bool = True) -> Friedman:
    """The tests on `scores` (N problems, k estimators). Raises BadInput on NaN or k, N < 2."""
    scores = np.asarray(scores, float)
    if scores.ndim != 2 or min(scores.shape) < 2:
        raise BadInput(
            f"a Friedman test needs 2 problems and 2 estimators or more, not {scores.shape}"
        )
    if np.isnan(scores).any():
        raise BadInput("a Friedman test needs a score of every estimator on every problem")
    n, k = scores.shape
    each = midranks(-scores if higher_is_better else scores)
    ranks = each.mean(axis=0)
    spread = float(((each - (k + 1) / 2) ** 2).sum())  # n k (k^2 - 1) / 12 without ties
    if not spread > 0:
        return Friedman(ranks, n, 0.0, 1.0, 0.0, 1.0)
    chi2 = (k - 1) * n**2 * float(((ranks - (k + 1) / 2) ** 2).sum()) / spread
    left = n * (k - 1) - chi2
    certain = left <= 1e-12 * n * (k - 1)  # all problems rank alike
    f = np.inf if certain else (n - 1) * chi2 / left
    p = 0.0 if certain else float(fdtrc(k - 1, (k - 1) * (n - 1), f))
    return Friedman(ranks, n, chi2, float(chdtrc(k - 1, chi2)), float(f), p)
