"""What the first step of an estimator does at a point: the progress that theory predicts for it.

A move m changes the loss by g m + m H m / 2 to second order. With the best factor a on all moves,
a = -E[g m] / E[m H m], a step is expected to decrease the loss by

    E[g m]^2 / (2 E[m H m])

which needs no knowledge of how the moves are made. Along block-coordinate or low-rank directions
this is the captured gradient energy over the captured curvature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from zobench.core.directions import Dense
from zobench.core.estimator import Estimator
from zobench.core.oracle import BudgetExhausted, oracle_of
from zobench.core.seeds import derive
from zobench.errors import Unsuitable
from zobench.explain.groups import Tick
from zobench.explain.mean_loss import MeanLoss

MOST = 100  # steps until an estimator that was started makes its first move
LEVEL = 0.95  # of intervals
RESAMPLES = 2000


@dataclass(frozen=True)
class Bootstrapped:
    """A number and its 95 % interval by the bootstrap over moves."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class FirstMoves:
    """Moves of an estimator from one point, each after a fresh start with a seed of its own.

    Attributes:
        slope: g m of each move, shape (n,).
        bend: m H m, shape (n,).
        square: |m|^2, shape (n,).
        queries: of each move, shape (n,).
        decrease: of the mean loss by further moves of this length, shape (n,); NaN if theory gives
            no best factor.
        factor: the best factor on the estimator's own moves; NaN if it expects no progress.
        length: of the moves, in those with the best factor.
    """

    slope: np.ndarray
    bend: np.ndarray
    square: np.ndarray
    queries: np.ndarray
    decrease: np.ndarray
    factor: float
    length: float

    def predicted(self) -> Bootstrapped:
        """Return the decrease of the loss per query that theory predicts at this length."""
        return _bootstrap(self._predicted, len(self.slope))

    def measured(self) -> Bootstrapped:
        """Return the decrease of the loss per query that was measured at this length."""
        return _bootstrap(self._measured, len(self.decrease))

    def relative_to(self, other: FirstMoves, is_measured: bool) -> Bootstrapped:
        """Return the progress per query over that of another estimator.

        Args:
            other: moves with the same seeds.
            is_measured: True for the measured progress, False for the predicted one.
        """
        own = self._measured if is_measured else self._predicted
        base = other._measured if is_measured else other._predicted
        return _bootstrap(lambda rows: own(rows) / base(rows), len(self.slope))

    def scatter(self, energy: float) -> float:
        """Return E|m|^2 |g|^2 / E[g m]^2: how much longer moves are than their part along g.

        It is d + 2 for a Gaussian direction of all coordinates, and 1 for the gradient itself.

        Args:
            energy: |g|^2.
        """
        return float(self.square.mean() * energy / self.slope.mean() ** 2)

    def curvature(self) -> float:
        """Return E[m H m] / E|m|^2: the mean curvature along the moves."""
        return float(self.bend.mean() / self.square.mean())

    def _predicted(self, rows: np.ndarray) -> np.ndarray:
        slope, bend = self.slope[rows].mean(-1), self.bend[rows].mean(-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            best = slope**2 / (2 * bend)
            value = self.length * (2 - self.length) * best / self.queries[rows].mean(-1)
        return np.where((slope < 0) & (bend > 0), value, 0.0)

    def _measured(self, rows: np.ndarray) -> np.ndarray:
        return self.decrease[rows].mean(-1) / self.queries[rows].mean(-1)


def _bootstrap(statistic: Callable[[np.ndarray], np.ndarray], count: int) -> Bootstrapped:
    rng = np.random.default_rng(0)
    rows = rng.integers(count, size=(RESAMPLES, count))
    with np.errstate(divide="ignore", invalid="ignore"):
        values = statistic(rows)
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.nanpercentile(values, [tail, 100 - tail]) if np.isfinite(values).any() else (
        np.nan, np.nan)  # fmt: skip
    return Bootstrapped(float(statistic(np.arange(count))), float(low), float(high))


def moves(
    loss: MeanLoss,
    build: Callable[[], Estimator],
    draws: int,
    budget: int,
    seed: int,
    first_order: bool,
    length: float,
    tick: Tick,
) -> FirstMoves:
    """Measure the first moves of fresh estimators, and then the progress of further ones.

    Args:
        loss: the mean loss, at the point.
        build: makes an estimator.
        draws: moves that are measured, and again for the progress.
        budget: queries of a run, for settings that depend on them.
        seed: of the estimators and of their minibatches.
        first_order: True if the estimator may ask for gradients.
        length: of the moves whose progress is measured, in those with the best factor.
        tick: is called after each move.

    Raises:
        Unsuitable: the estimator does not move in its first steps.
    """
    slope, bend, square, queries = np.zeros((4, draws))
    here = loss.here()
    for k in range(draws):
        move, queries[k] = _first_move(loss, build(), budget, derive(seed, k), first_order)
        square[k] = move @ move
        direction, scale = Dense(move), loss.length(move) / float(square[k]) ** 0.5
        plus, minus = loss.losses([(scale, direction), (-scale, direction)]).mean(0)
        slope[k] = (plus - minus) / (2 * scale)
        bend[k] = (plus - 2 * here + minus) / scale**2
        tick()
    is_useful = slope.mean() < 0 < bend.mean()
    factor = float(-slope.mean() / bend.mean()) if is_useful else float("nan")
    decrease = np.full(draws, np.nan)
    for k in range(draws):
        if is_useful:
            own = derive(seed, "further", k)
            move, _ = _first_move(loss, build(), budget, own, first_order)
            decrease[k] = here - loss.losses([(length * factor, Dense(move))]).mean()
        tick()
    return FirstMoves(slope, bend, square, queries, decrease, factor, length)


def _first_move(
    loss: MeanLoss, estimator: Estimator, budget: int, seed: int, first_order: bool
) -> tuple[np.ndarray, int]:
    """Return the first move of an estimator from the point, shape (d,), and its queries."""
    before = loss.params.flat()
    with loss.params.returning():
        own = derive(seed, "minibatches")
        oracle = oracle_of(estimator, loss.problem, budget, own, first_order=first_order)
        estimator.start(loss.params, seed)
        for _ in range(MOST):
            asked = oracle.queries
            try:
                estimator.step(oracle)
            except BudgetExhausted:
                break
            loss.params.flush()
            move = loss.params.flat() - before
            if move.any():
                return move, oracle.queries - asked
    raise Unsuitable("makes no move in its first steps, so that there is nothing to explain")
