"""The sphere: a sanity check. A method that does not solve it has a fault."""

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


@objectives.register("sphere", version="1")
@shared_settings
def sphere(
    dim: int = 10,
    split: BlockSettings = BLOCKS,
    shifted: bool = False,
    noise: NoiseSettings = NOISE,
) -> VectorProblem:
    """The sphere f(x) = |x - x*|^2, minimum 0, from x0 ~ N(0, I).

    x* = 0; with `shifted`, x* ~ N(0, I) from the seed of the start, so that shrinking x does not
    help. `blocks` splits x into groups of equal size, as matrices with `matrix`. `noise` on losses:
    "additive", "multiplicative", "uniform", "cauchy" or "student", of level `noise_level`, drawn
    "fresh" per query, "shared" by the probes of a call, or "frozen" per point (`noise_kind`).
    """
    at_least("dim", dim, 1)
    optimum = np.zeros(dim)

    def start(rng: np.random.Generator) -> np.ndarray:
        x = rng.standard_normal(dim)
        if shifted:
            optimum[:] = rng.standard_normal(dim)
        return x

    def plain(x: np.ndarray) -> np.ndarray:  # (n, dim) -> (n,)
        return np.vecdot(x, x)

    def moved(x: np.ndarray) -> np.ndarray:  # (n, dim) -> (n,)
        return plain(x - optimum)

    return vector_problem(
        moved if shifted else plain,
        start,
        gradient=lambda x: 2.0 * (x - optimum),
        dim=dim,
        split=split,
        noise=noise,
    )
