"""Pairs of several problems in one geometric mean, with the interval that goes with it."""

from __future__ import annotations

import math

import numpy as np

from zobench.analysis import joint
from zobench.analysis.interval import FARTHEST, limits, reach, studentised
from zobench.analysis.pairs import Pair, can_pair, log_relabellings, satterthwaite
from zobench.analysis.runlengths import RunLengths

Interval = tuple[float, float, float]  # ratio, low, high


def pairing(sides: list[tuple[RunLengths, RunLengths]], alpha: float) -> tuple[bool, bool]:
    """(draw runs in pairs?, are there too few runs for any outcome to be significant?)

    A single run on a problem has no known spread, so it is too few whatever the other problems
    have. Few pairs have too few relabellings to show anything, where the same runs unpaired have
    enough: they are then drawn apart, the cautious choice when runs of a pair resemble each other.
    """
    needed = math.log(2 / alpha) - 1e-9
    useful = [(x, y) for x, y in sides if x.successes + y.successes]

    def ways(paired: bool) -> float:
        return sum(log_relabellings(x, y, paired and can_pair(x, y)) for x, y in useful)

    paired = any(can_pair(x, y) for x, y in useful) and ways(True) >= needed
    single = any(min(x.runs, y.runs) < 2 for x, y in useful if x.successes and y.successes)
    return paired, single or (not paired and ways(False) < needed)


def geometric_mean(pairs: list[Pair], alpha: float, too_few: bool, seed: int = 0) -> Interval:
    """(geometric mean, low, high) over the pairs whose ratio exists.

    [0, inf] where the pairs are drawn too seldom to tell anything at `alpha`.
    """
    both = [p for p in pairs if np.isfinite(p.estimate)]
    if not both:
        return np.nan, np.nan, np.nan
    count = len(both)
    theta = sum(p.estimate for p in both) / count
    if too_few:
        return math.exp(theta), 0.0, np.inf
    error = math.sqrt(sum(p.error**2 for p in both)) / count
    resampled = [np.stack([_filled(p.draws), _filled(p.draw_errors) ** 2]) for p in both]
    sums, squares = joint.summed(resampled, alpha, seed, "bootstrap")
    draws, errors = sums / count, np.sqrt(squares) / count
    freedom = satterthwaite([p.error for p in both], [p.freedom for p in both])
    down, up = reach(studentised(theta, error, draws, errors), freedom, 1 - alpha)
    critical = _critical(pairs, alpha, seed)
    down, up = max(down, critical), max(up, critical)
    if count == 1:  # too few successes to bound; in a mean over problems the others bound it
        down = np.inf if both[0].none[0] > alpha / 2 else down
        up = np.inf if both[0].none[1] > alpha / 2 else up
    return math.exp(theta), *_told(math.exp(theta), *limits(theta, error, down, up))


def _told(ratio: float, low: float, high: float) -> tuple[float, float]:
    """The limits; 0 or inf for one that is far off and beyond 1, so that it shows nothing."""
    return (
        0.0 if low < min(1.0, ratio / FARTHEST) else low,
        np.inf if high > max(1.0, ratio * FARTHEST) else high,
    )


def _filled(values: np.ndarray) -> np.ndarray:
    """Resamples without a success replaced by others: the distribution given a success."""
    there = np.isfinite(values)
    return np.where(there, values, np.resize(values[there], len(values)))


def _critical(pairs: list[Pair], alpha: float, seed: int) -> float:
    """The |t| that must be exceeded for the permutation test to reject at `alpha`.

    Each relabelling is treated as the observed runs are: problems where one side has no success
    are left out of its mean.
    """
    sums, squares = joint.summed([_relabelled(p) for p in pairs], alpha, seed, "null")
    top, bottom = np.abs(sums[1:]), np.sqrt(squares[1:])  # all but the observed runs
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(top < 1e-12, 0.0, top / bottom)
    allowed = math.floor(alpha * (len(t) + 1) + 1e-9) - 1  # relabellings as extreme as the runs
    if allowed < 0:
        return np.inf
    place = len(t) - 1 - allowed
    return float(np.partition(t, place)[place]) * (1 + 1e-9)


def _relabelled(pair: Pair) -> np.ndarray:
    """(2, 1 + relabellings): log ratios and squared errors, first those of the observed runs."""
    null = np.append(pair.estimate, pair.null)
    squares = np.append(pair.error, pair.null_errors) ** 2
    there = np.isfinite(null) & np.isfinite(squares)
    return np.where(there, [null, squares], 0.0)
