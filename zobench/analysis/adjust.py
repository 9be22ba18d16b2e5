"""Adjust the p-values of several tests: Bonferroni, and Holm, which is never weaker."""

from __future__ import annotations

import numpy as np


def bonferroni(p: np.ndarray) -> np.ndarray:
    """Multiply p-values (n,) by the number of tests, up to 1. NaN: a test that was not made."""
    p = np.asarray(p, float)
    return np.minimum(p * np.isfinite(p).sum(), 1.0)


def holm(p: np.ndarray) -> np.ndarray:
    """Return Holm's step-down p-values (1979).

    The i-th smallest of m p-values is multiplied by m - i + 1, and is at least the one before it.
    NaN: a test that was not made.

    Args:
        p: p-values, (n,).

    Returns:
        The adjusted p-values, (n,).
    """
    p = np.asarray(p, float)
    order = np.argsort(p)[: np.isfinite(p).sum()]  # NaN sorts last
    scaled = p[order] * np.arange(len(order), 0, -1)
    adjusted = np.full(p.shape, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted
