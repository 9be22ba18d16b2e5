"""Midranks: ranks from 1, the lowest value first, where equal values have their mean rank."""

from __future__ import annotations

import numpy as np


def doubled_midranks(values: np.ndarray) -> np.ndarray:
    """Return twice the midranks of `values`, (n,), as integers, so that halves are exact."""
    ordered = np.sort(values)
    before, within = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return before + within + 1


def midranks(values: np.ndarray) -> np.ndarray:
    """Return midranks along the last axis."""
    return np.apply_along_axis(doubled_midranks, -1, np.asarray(values, float)) / 2
