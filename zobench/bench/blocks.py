"""Compare MeZO-BCD with MeZO where theory predicts the gain of moving one block at a time.

On a quadratic with N equal blocks, gradient energies e_b and curvature traces t_b, one learning
rate and the best step of each method, MeZO-BCD decreases the loss (sum e)(sum t) / (N sum e t)
times as much per query as MeZO: 1 when e and t are uncorrelated, more when they are negatively
correlated, less when positively. Its best learning rate is about N times MeZO's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from zobench.core.oracle import Diverged, Oracle
from zobench.registry import estimators, objectives

CORRELATIONS = ("none", "positive", "negative")


@dataclass(frozen=True)
class BlockOutcome:
    """One correlation: the prediction of theory, and the best of a grid of learning rates."""

    correlation: str
    blocks: int
    predicted: float  # MeZO-BCD's decrease per query over MeZO's
    lr: dict[str, float]  # best learning rate times tr H
    gap: dict[str, float]  # f - f* at the end with it, geometric mean over seeds

    @property
    def lr_ratio(self) -> float:
        """The best learning rate of MeZO-BCD over that of MeZO."""
        return self.lr["mezo-bcd"] / self.lr["mezo"]

    @property
    def gain(self) -> float:
        """The decrease of log(gap) by MeZO-BCD over that by MeZO, in as many queries."""
        return float(np.log(self.gap["mezo-bcd"]) / np.log(self.gap["mezo"]))


def experiment(
    dim: int, blocks: int, steps: int, seeds: int, exponent: float = 0.5, spread: float = 1.0
) -> Iterator[BlockOutcome]:
    """Yield an outcome per correlation. Both methods see one grid, in steps of sqrt(2)."""
    grid = np.exp2(np.arange(-2, np.log2(4 * blocks), 0.5))
    for correlation in CORRELATIONS:
        settings = {
            "dim": dim,
            "blocks": blocks,
            "correlation": correlation,
            "exponent": exponent,
            "spread": spread,
            "dtype": "float64",
        }
        gaps_of: dict[str, dict[float, float]] = {}
        for name, own in (("mezo", {}), ("mezo-bcd", {"dwell": 1})):
            gaps_of[name] = {
                float(lr): _final(settings, name, {"lr": lr, "eps": 1e-4} | own, steps, seeds)
                for lr in grid
            }
        best = {name: min(gaps, key=gaps.__getitem__) for name, gaps in gaps_of.items()}
        problem = objectives["block-quadratic"].build(settings)
        problem.start(0)
        yield BlockOutcome(
            correlation,
            blocks,
            problem.describe()["bcd_gain"],
            best,
            {name: gaps_of[name][lr] for name, lr in best.items()},
        )


def _final(settings: dict, name: str, own: dict, steps: int, seeds: int) -> float:
    """Return the geometric mean of the gap after `steps` steps; infinite if a run diverged."""
    logs = []
    for seed in range(seeds):
        problem = objectives["block-quadratic"].build(settings)
        params = problem.start(seed)
        lr = own["lr"] / problem.function.trace()
        estimator = estimators[name].build(own | {"lr": lr})
        estimator.start(params, 1000 + seed)
        oracle = Oracle(problem, 2 * steps, seed)
        try:
            for _ in range(steps):
                estimator.step(oracle)
        except Diverged:
            return float("inf")
        params.flush()
        gap = problem.score()["gap"]
        if not gap < 1.0:
            return float("inf")
        logs.append(np.log(gap))
    return float(np.exp(np.mean(logs)))
