"""Did one estimator succeed more often? An exact test of success counts, problem by problem."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.special import betaln

Counts = tuple[int, int, int, int]  # successes of a, runs of a, successes of b, runs of b


def success_test(counts: Iterable[Counts]) -> float:
    """Two-sided p-value of "the same success probability on each problem"; 1 without runs.

    Given each problem's total of successes, those of `a` are hypergeometric, and their sum over
    problems is compared with its exact distribution; twice the smaller tail. With one problem
    this is Fisher's exact test with doubled one-sided p-value.
    """
    chances, seen = np.ones(1), 0
    for successes_a, runs_a, successes_b, runs_b in counts:
        total = successes_a + successes_b
        low, high = max(0, total - runs_b), min(runs_a, total)
        k = np.arange(low, high + 1)
        logs = _log_choose(runs_a, k) + _log_choose(runs_b, total - k)
        chances = np.convolve(chances, np.exp(logs - _log_choose(runs_a + runs_b, total)))
        seen += successes_a - low  # place of the observed sum in `chances`
    return float(min(1.0, 2 * min(chances[: seen + 1].sum(), chances[seen:].sum())))


def _log_choose(n: int, k: np.ndarray | int) -> np.ndarray:
    return -betaln(1 + np.subtract(n, k), 1 + np.asarray(k)) - np.log(n + 1)
