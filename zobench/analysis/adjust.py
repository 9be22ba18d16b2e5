"""p-values of several tests made to hold together: Bonferroni, and Holm, which is never weaker."""

from __future__ import annotations

import numpy as np


def bonferroni(p: np.ndarray) -> np.ndarray:
    """p times the number of tests, at most 1. NaN: a test that was not made, and does not count."""
    p = np.asarray(p, float)
    return np.minimum(p * np.isfinite(p).sum(), 1.0)


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down p-values (1979): the i-th smallest of m times m - i + 1, never falling."""
    p = np.asarray(p, float)
    order = np.argsort(p)[: np.isfinite(p).sum()]  # NaN sorts last
    scaled = p[order] * np.arange(len(order), 0, -1)
    found = np.full(p.shape, np.nan)
    found[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return found
