"""Studentised bootstrap limits (Efron, Hall) for a log ratio, with a small-sample guard.

The percentile interval of a skewed run length covers too little at 15 runs. The studentised one
does better, with two corrections: no quantile is closer than Student's t, and the
bootstrap quantiles are stretched by t / z, since resamples are less spread than samples by a
factor that Student's t undoes for a mean.

If many runs are equal, as with lengths of a few steps of many queries, some resamples have hardly
any spread, and their t reflects only that. So the standard error of a resample counts as at least
LEAST of the sample's.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri, stdtrit

LEVEL = 0.95
RESAMPLES = 2000
LEAST = 0.1  # of the sample's standard error; resamples of runs without ties are rarely below
FARTHEST = 1000.0  # a limit by a larger factor is no information
FEWEST = 3  # degrees of freedom: four runs; with fewer, resamples do not show the tails


def studentised(estimate: float, error: float, draws: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return (draw - estimate) / standard error of the draw, for draws that are not NaN.

    Args:
        estimate: of the sample.
        error: its standard error.
        draws: estimates of the resamples, (b,).
        errors: their standard errors, (b,).
    """
    exists = np.isfinite(draws)
    away, errors = draws[exists] - estimate, np.maximum(errors[exists], LEAST * error)
    away[np.abs(away) < 1e-12] = 0.0  # the same runs in another order
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(away == 0, 0.0, away / errors)


def reach(t: np.ndarray, freedom: float, level: float = LEVEL) -> tuple[float, float]:
    """Return the distances (down, up) of the limits in standard errors, which may be infinite.

    Args:
        t: studentised resamples, (b,).
        freedom: degrees of freedom of the standard error.
        level: of the interval.
    """
    tail = (1 - level) / 2
    if freedom < FEWEST or not len(t):
        return np.inf, np.inf
    student = float(stdtrit(freedom, 1 - tail))
    stretch = student / float(ndtri(1 - tail))
    low, high = np.quantile(t, [tail, 1 - tail], method="inverted_cdf")
    # a large t in a resample means that the truth lies that far below the estimate
    return max(high * stretch, student), max(-low * stretch, student)


def limits(estimate: float, error: float, down: float, up: float) -> tuple[float, float]:
    """Return exp(estimate - down * error) and exp(estimate + up * error).

    A distance of inf gives 0 or inf.
    """
    with np.errstate(over="ignore"):
        low = np.exp(estimate - down * error) if np.isfinite(down) else 0.0
        high = np.exp(estimate + up * error) if np.isfinite(up) else np.inf
    return float(low), float(high)
