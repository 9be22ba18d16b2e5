"""Combine the log ratios of several problems in one geometric mean with an interval."""

from __future__ import annotations

import math

import numpy as np

from zobench.analysis import joint
from zobench.analysis.interval import FARTHEST, limits, reach, studentised
from zobench.analysis.pairs import Pair, can_pair, log_relabellings, satterthwaite
from zobench.analysis.runlengths import RunLengths

Interval = tuple[float, float, float]  # ratio, low, high


def pairing(sides: list[tuple[RunLengths, RunLengths]], alpha: float) -> tuple[bool, bool]:
    """Decide whether to draw runs in pairs, and whether there are too few runs.

    The spread of a single run on a problem is unknown, so it is too few, however many runs the
    other problems have. Few pairs have too few relabellings for significance, where the same runs
    unpaired have enough. They are then drawn unpaired, which is conservative if runs of a pair are
    similar.

    Args:
        sides: run lengths of a and b on each problem.
        alpha: the level of the test, two-sided.

    Returns:
        (True to draw runs in pairs, True if no outcome of so few runs could be significant).
    """
    least = math.log(2 / alpha) - 1e-9
    useful = [(x, y) for x, y in sides if x.successes + y.successes]

    def ways(paired: bool) -> float:
        return sum(log_relabellings(x, y, paired and can_pair(x, y)) for x, y in useful)

    paired = any(can_pair(x, y) for x, y in useful) and ways(True) >= least
    single = any(min(x.runs, y.runs) < 2 for x, y in useful if x.successes and y.successes)
    return paired, single or (not paired and ways(False) < least)


def geometric_mean(pairs: list[Pair], alpha: float, too_few: bool, seed: int = 0) -> Interval:
    """Return (geometric mean, low, high) over the pairs whose ratio exists.

    Args:
        pairs: one per problem.
        alpha: 1 - level of the interval.
        too_few: True if no outcome could be significant at `alpha`: the interval is [0, inf].
        seed: of the random numbers.
    """
    usable = [p for p in pairs if np.isfinite(p.estimate)]
    if not usable:
        return np.nan, np.nan, np.nan
    count = len(usable)
    theta = sum(p.estimate for p in usable) / count
    if too_few:
        return math.exp(theta), 0.0, np.inf
    error = math.sqrt(sum(p.error**2 for p in usable)) / count
    resampled = [np.stack([_filled(p.draws), _filled(p.draw_errors) ** 2]) for p in usable]
    sums, squares = joint.joint_sums(resampled, alpha, seed, "bootstrap")
    draws, errors = sums / count, np.sqrt(squares) / count
    freedom = satterthwaite([p.error for p in usable], [p.freedom for p in usable])
    down, up = reach(studentised(theta, error, draws, errors), freedom, 1 - alpha)
    critical = _critical(pairs, alpha, seed)
    down, up = max(down, critical), max(up, critical)
    if count == 1:  # too few successes to bound; in a mean over problems the others bound it
        down = np.inf if usable[0].none[0] > alpha / 2 else down
        up = np.inf if usable[0].none[1] > alpha / 2 else up
    return math.exp(theta), *_finite_limits(math.exp(theta), *limits(theta, error, down, up))


def _finite_limits(ratio: float, low: float, high: float) -> tuple[float, float]:
    """The limits; 0 or inf for a limit beyond 1 that is far from the ratio: it shows nothing."""
    return (
        0.0 if low < min(1.0, ratio / FARTHEST) else low,
        np.inf if high > max(1.0, ratio * FARTHEST) else high,
    )


def _filled(values: np.ndarray) -> np.ndarray:
    """Replace resamples without a success by others: the distribution given a success."""
    exists = np.isfinite(values)
    return np.where(exists, values, np.resize(values[exists], len(values)))


def _critical(pairs: list[Pair], alpha: float, seed: int) -> float:
    """The |t| that must be exceeded for the permutation test to reject at `alpha`.

    Each relabelling is treated as the observed runs are: problems where one side has no success
    are not part of its mean.
    """
    sums, squares = joint.joint_sums([_relabelled(p) for p in pairs], alpha, seed, "null")
    top, bottom = np.abs(sums[1:]), np.sqrt(squares[1:])  # all but the observed runs
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(top < 1e-12, 0.0, top / bottom)
    allowed = math.floor(alpha * (len(t) + 1) + 1e-9) - 1  # relabellings as extreme as the runs
    if allowed < 0:
        return np.inf
    index = len(t) - 1 - allowed
    return float(np.partition(t, index)[index]) * (1 + 1e-9)


def _relabelled(pair: Pair) -> np.ndarray:
    """Log ratios and squared errors, (2, 1 + relabellings); the observed runs come first."""
    null = np.append(pair.estimate, pair.null)
    squares = np.append(pair.error, pair.null_errors) ** 2
    exists = np.isfinite(null) & np.isfinite(squares)
    return np.where(exists, [null, squares], 0.0)
