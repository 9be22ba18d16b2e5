"""Studentised bootstrap limits (Efron, Hall) for a log ratio, with a small-sample guard.

The percentile interval of a skewed run length covers too little at 15 runs. The studentised one
does better, and two things mend what is left: no quantile comes closer than Student's t, and the
bootstrap quantiles are stretched by t / z, since resamples are less spread than samples by a
factor that Student's t undoes for a mean.

Where many runs are equal, as where lengths are whole steps of many queries, some resamples have
hardly any spread, and their t says nothing but that: no resample counts with a standard error
below LEAST of the sample's.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri, stdtrit

LEVEL = 0.95
RESAMPLES = 2000
LEAST = 0.1  # of the sample's standard error; resamples of runs without ties rarely go below
FARTHEST = 1000.0  # a limit that is farther off, as a factor, says as little as none
FEWEST = 3  # degrees of freedom: four runs; with fewer, resamples say nothing about the tails


def studentised(estimate: float, error: float, draws: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """(draw - estimate) / its standard error, of the draws that exist (are not NaN)."""
    there = np.isfinite(draws)
    away, errors = draws[there] - estimate, np.maximum(errors[there], LEAST * error)
    away[np.abs(away) < 1e-12] = 0.0  # the same runs in another order
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(away == 0, 0.0, away / errors)


def reach(t: np.ndarray, freedom: float, level: float = LEVEL) -> tuple[float, float]:
    """How many standard errors the interval goes (down, up) from the estimate; may be infinite.

    `t` are studentised resamples, `freedom` the degrees of freedom of the standard error.
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
    """exp(estimate - down * error), exp(estimate + up * error); a factor of inf gives 0 and inf."""
    with np.errstate(over="ignore"):
        low = np.exp(estimate - down * error) if np.isfinite(down) else 0.0
        high = np.exp(estimate + up * error) if np.isfinite(up) else np.inf
    return float(low), float(high)
