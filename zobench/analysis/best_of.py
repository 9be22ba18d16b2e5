"""What a search finds with fewer trials: the best of k of the n trials that were made.

Which trial a search prefers and what that trial costs are two things: the rounds of a search rank
trials, costs are measured. All subsets of k trials are equally likely. The result is exact, and
needs no resampling, as the preferred trial of a subset has rank i with probability
C(n - i, k - 1) / C(n, k) (Dodge et al., 2019, https://arxiv.org/abs/1909.03004, who draw with
replacement).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

BAND = 0.8  # the share of subsets within the band


@dataclass(frozen=True)
class BestOf:
    """The cost of the trial that a search prefers among k trials.

    Attributes:
        trials: k.
        mean: the mean over all subsets of k trials.
        low: a tenth of the subsets cost at most this.
        high: nine tenths of the subsets cost at most this.
    """

    trials: int
    mean: float
    low: float
    high: float


def best_of(costs: Sequence[float]) -> list[BestOf]:
    """Return what searches with 1, 2, 4, ... and with all trials find.

    Args:
        costs: of each trial, in the order in which the search prefers them.

    Example:
        >>> [(round(found.mean, 2), found.high) for found in best_of([1.0, 2.0, 3.0, 6.0])]
        [(3.0, 6.0), (1.67, 3.0), (1.0, 1.0)]
    """
    n = len(costs)
    order = np.argsort(costs, kind="stable")
    values = np.asarray(costs, float)[order]
    found = []
    for k in sorted({*(2**i for i in range(n.bit_length()) if 2**i <= n), n} - {0}):
        chances = np.array([comb(n - i, k - 1) / comb(n, k) for i in range(1, n + 1)])
        within = np.cumsum(chances[order]) + 1e-12
        low, high = (values[np.searchsorted(within, q)] for q in ((1 - BAND) / 2, (1 + BAND) / 2))
        found.append(BestOf(k, float(chances[order] @ values), float(low), float(high)))
    return found
