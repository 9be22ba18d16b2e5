"""Wilcoxon's signed-rank test of two estimators over problems, exact also with ties.

Problems are the sample here, so that it speaks about further problems like these; N is the number
of problems, not of runs (Demšar 2006, https://jmlr.org/papers/v7/demsar06a.html).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from zobench.analysis.midranks import doubled

EXACT = 60  # differences up to which all signs are counted


@dataclass(frozen=True)
class SignedRank:
    """`p` is two-sided, `n` the differences that are not 0.

    `effect` in [-1, 1] is the rank-biserial correlation: 1 if all differences are above 0. NaN: no
    difference.
    """

    p: float
    effect: float
    n: int


def signed_rank(differences: np.ndarray) -> SignedRank:
    """The test on one difference a problem, say of scores or of log run lengths.

    Zeros are dropped, as Wilcoxon did; inf ranks highest; NaN (not compared) is dropped. Beyond 60
    differences the normal approximation with ties is taken.
    """
    x = np.asarray(differences, float)
    x = x[~np.isnan(x) & (x != 0)]
    if not len(x):
        return SignedRank(1.0, np.nan, 0)
    ranks = doubled(np.abs(x))
    total, seen = int(ranks.sum()), int(ranks[x > 0].sum())
    effect = (2 * seen - total) / total
    if len(x) > EXACT:
        deviation = np.sqrt((ranks.astype(float) ** 2).sum()) / 2  # of the doubled sum
        p = 2 * ndtr(-abs(seen - total / 2) / deviation)
        return SignedRank(float(min(1.0, p)), effect, len(x))
    chances = np.zeros(total + 1)
    chances[0] = 1.0
    for rank in ranks.tolist():
        shifted = np.concatenate([np.zeros(rank), chances[:-rank]])
        chances = (chances + shifted) / 2
    p = 2 * min(chances[: seen + 1].sum(), chances[seen:].sum())
    return SignedRank(float(min(1.0, p)), effect, len(x))
