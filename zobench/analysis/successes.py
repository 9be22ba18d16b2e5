"""An exact test of success counts of two estimators, within problems."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.special import betaln

Counts = tuple[int, int, int, int]  # successes of a, runs of a, successes of b, runs of b


def success_test(counts: Iterable[Counts]) -> float:
    """Return the two-sided p-value of equal success probabilities on each problem; 1 without runs.

    Given each problem's total of successes, those of `a` are hypergeometric, and their sum over
    problems is compared with its exact distribution; twice the smaller tail. With one problem
    this is Fisher's exact test with doubled one-sided p-value.

    Args:
        counts: (successes of a, runs of a, successes of b, runs of b) of each problem.
    """
    chances, observed = np.ones(1), 0
    for successes_a, runs_a, successes_b, runs_b in counts:
        total = successes_a + successes_b
        low, high = max(0, total - runs_b), min(runs_a, total)
        k = np.arange(low, high + 1)
        logs = _log_choose(runs_a, k) + _log_choose(runs_b, total - k)
        chances = np.convolve(chances, np.exp(logs - _log_choose(runs_a + runs_b, total)))
        observed += successes_a - low  # index of the observed sum in `chances`
    return float(min(1.0, 2 * min(chances[: observed + 1].sum(), chances[observed:].sum())))


def _log_choose(n: int, k: np.ndarray | int) -> np.ndarray:
    return -betaln(1 + np.subtract(n, k), 1 + np.asarray(k)) - np.log(n + 1)
