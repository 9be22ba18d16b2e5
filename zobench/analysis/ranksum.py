"""Wilcoxon's rank-sum test (Mann-Whitney), exact also with ties, and within strata.

Given the pooled values of a stratum, each choice of which of them belong to `a` is as likely as
any other if there is no difference. The ranks are counted, not approximated, so that ties and
small samples are not a problem. With several strata (problems) rank sums are added: values of
different problems are never compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtr

from zobench.analysis.midranks import doubled_midranks

EXACT = 60  # values of a stratum up to which all choices are counted


@dataclass(frozen=True)
class RankSum:
    """The result of a rank-sum test.

    Attributes:
        p: two-sided p-value.
        effect: the probability that a value of `a` is below one of `b`, ties count half; NaN if a
            sample is empty.
        least: the smallest p that samples of these sizes and ties could give: above a level, no
            outcome is significant.
    """

    p: float
    effect: float
    least: float


def rank_sum(strata: Iterable[tuple[np.ndarray, np.ndarray]]) -> RankSum:
    """Test two samples in strata.

    Strata in which one sample is empty do not count. Beyond 60 values in a stratum the normal
    approximation with ties and continuity correction is used, as in SciPy.

    Args:
        strata: samples (a, b) of each stratum, (n_a,) and (n_b,); lower is better, inf is allowed,
            NaN is not.
    """
    pairs = [(np.asarray(a, float), np.asarray(b, float)) for a, b in strata]
    pairs = [(a, b) for a, b in pairs if len(a) and len(b)]
    if not pairs:
        return RankSum(1.0, np.nan, 1.0)
    below = sum(float((a[:, None] < b).sum() + 0.5 * (a[:, None] == b).sum()) for a, b in pairs)
    effect = below / sum(len(a) * len(b) for a, b in pairs)
    ranks = [(doubled_midranks(np.concatenate([a, b])), len(a)) for a, b in pairs]
    observed = sum(int(r[:count].sum()) for r, count in ranks)
    if max(len(r) for r, _ in ranks) > EXACT:
        return RankSum(_normal(ranks, observed), effect, 0.0)
    chances, first = np.ones(1), 0
    for r, count in ranks:
        part, start = _null(tuple(sorted(r.tolist())), count)
        chances, first = np.convolve(chances, part), first + start
    p = _two_sided(chances, observed - first)
    possible = np.flatnonzero(chances)
    least = min(_two_sided(chances, int(end)) for end in possible[[0, -1]])
    return RankSum(p, effect, least)


def _two_sided(chances: np.ndarray, at: int) -> float:
    return float(min(1.0, 2 * min(chances[: at + 1].sum(), chances[at:].sum())))


@lru_cache(maxsize=256)
def _null(order: tuple[int, ...], count: int) -> tuple[np.ndarray, int]:
    """Return the probabilities of the sums of `count` doubled ranks, and the least sum.

    Without ties all samples of one size have the same ranks in `order`, hence the cache.
    """
    low, high = sum(order[:count]), sum(order[len(order) - count :])
    ways = np.zeros((count + 1, high + 1))
    ways[0, 0] = 1.0
    for index, rank in enumerate(order):
        size = min(index + 1, count)
        end = sum(order[index + 1 - size : index]) + 1  # above all sums of the ranks so far
        ways[1 : size + 1, rank : rank + end] += ways[:size, :end].copy()
    chances = ways[count, low:]
    return chances / chances.sum(), low


def _normal(ranks: list[tuple[np.ndarray, int]], observed: int) -> float:
    mean = variance = 0.0
    for r, count in ranks:
        n, other = len(r), len(r) - count
        mean += count * (n + 1) / 2
        variance += count * other / (n * (n - 1)) * float(((r / 2 - (n + 1) / 2) ** 2).sum())
    if not variance > 0:
        return 1.0
    away = max(abs(observed / 2 - mean) - 0.5, 0.0)
    return float(min(1.0, 2 * ndtr(-away / np.sqrt(variance))))
