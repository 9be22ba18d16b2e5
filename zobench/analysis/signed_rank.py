"""Wilcoxon's signed-rank test of two estimators over problems, exact also with ties.

Problems are the sample here, so that the result is about further problems like these; N is the
number of problems, not of runs (Demšar 2006, https://jmlr.org/papers/v7/demsar06a.html).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from zobench.analysis.midranks import doubled_midranks

EXACT = 60  # differences up to which all signs are counted


@dataclass(frozen=True)
class SignedRank:
    """The result of a signed-rank test.

    Attributes:
        p: two-sided p-value.
        effect: the rank-biserial correlation in [-1, 1]: 1 if all differences are above 0; NaN
            without a difference.
        n: the number of differences that are not 0.
    """

    p: float
    effect: float
    n: int


def signed_rank(differences: np.ndarray) -> SignedRank:
    """Test one difference per problem, for example of scores or of log run lengths.

    Zeros are dropped, as Wilcoxon did; inf ranks highest; NaN (not compared) is dropped. Beyond 60
    differences the normal approximation with ties is used.

    Args:
        differences: one per problem, (n,).
    """
    x = np.asarray(differences, float)
    x = x[~np.isnan(x) & (x != 0)]
    if not len(x):
        return SignedRank(1.0, np.nan, 0)
    ranks = doubled_midranks(np.abs(x))
    total, observed = int(ranks.sum()), int(ranks[x > 0].sum())
    effect = (2 * observed - total) / total
    if len(x) > EXACT:
        deviation = np.sqrt((ranks.astype(float) ** 2).sum()) / 2  # of the doubled sum
        p = 2 * ndtr(-abs(observed - total / 2) / deviation)
        return SignedRank(float(min(1.0, p)), effect, len(x))
    chances = np.zeros(total + 1)
    chances[0] = 1.0
    for rank in ranks.tolist():
        shifted = np.concatenate([np.zeros(rank), chances[:-rank]])
        chances = (chances + shifted) / 2
    p = 2 * min(chances[: observed + 1].sum(), chances[observed:].sum())
    return SignedRank(float(min(1.0, p)), effect, len(x))
