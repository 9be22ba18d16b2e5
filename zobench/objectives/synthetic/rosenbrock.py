"""Rosenbrock's valley (Rosenbrock, Computer Journal 3, 1960), chained over the coordinates."""

from __future__ import annotations

import numpy as np

from zobench.core.problem import VectorProblem
from zobench.objectives.synthetic._settings import (
    BLOCKS,
    NOISE,
    BlockSettings,
    NoiseSettings,
    at_least,
    shared_settings,
)
from zobench.objectives.synthetic._vectors import vector_problem
from zobench.registry import objectives


@objectives.register("rosenbrock", version="1")
@shared_settings
def rosenbrock(
    dim: int = 10,
    split: BlockSettings = BLOCKS,
    shifted: bool = False,
    noise: NoiseSettings = NOISE,
) -> VectorProblem:
    """A curved, ill-conditioned valley with minimum 0, from x0 uniform in [-1, 1]^dim.

    f(x) = sum_{i < dim} 100 (y_{i+1} - y_i^2)^2 + (1 - y_i)^2, y = x - s. The minimum is at y = 1;
    s = 0, or with `shifted` s ~ N(0, I) from the seed of the start, added to x0 too.
    From dim = 4 on there is a second, local minimum near y = (-1, 1, ..., 1).
    """
    at_least("dim", dim, 2)
    shift = np.zeros(dim)

    def start(rng: np.random.Generator) -> np.ndarray:
        x = rng.uniform(-1.0, 1.0, dim)
        if shifted:
            shift[:] = rng.standard_normal(dim)
        return x + shift

    def plain(y: np.ndarray) -> np.ndarray:  # (n, dim) -> (n,)
        head = y[:, :-1]
        bend, rest = y[:, 1:] - head * head, 1.0 - head
        return 100.0 * np.vecdot(bend, bend) + np.vecdot(rest, rest)

    def moved(x: np.ndarray) -> np.ndarray:  # (n, dim) -> (n,)
        return plain(x - shift)

    def gradient(x: np.ndarray) -> np.ndarray:  # (dim,) -> (dim,)
        y = x - shift
        bend = y[1:] - y[:-1] ** 2
        g = np.zeros(dim)
        g[:-1] = -400.0 * y[:-1] * bend - 2.0 * (1.0 - y[:-1])
        g[1:] += 200.0 * bend
        return g

    return vector_problem(
        moved if shifted else plain,
        start,
        gradient=gradient,
        dim=dim,
        split=split,
        noise=noise,
    )
