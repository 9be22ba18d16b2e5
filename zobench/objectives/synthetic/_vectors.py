"""The problem behind all synthetic objectives of rows: a function, its blocks and its noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from zobench.core.problem import VectorProblem
from zobench.objectives.synthetic._noise import apply_noise
from zobench.objectives.synthetic._settings import BlockSettings, NoiseSettings


def vector_problem(
    f: Callable[[np.ndarray], np.ndarray],
    start: Callable[[np.random.Generator], np.ndarray],
    minimum: float = 0.0,
    *,
    dim: int,
    split: BlockSettings,
    noise: NoiseSettings,
    gradient: Callable[[np.ndarray], np.ndarray] | None = None,
) -> VectorProblem:
    """Return the problem of f: (n, dim) -> (n,), with the settings that such objectives share.

    Raises BadInput on a number of blocks that does not fit and on unknown noise.
    """
    model = noise.model(dim)
    problem = VectorProblem(
        f, start, minimum, shapes=split.shapes(dim), gradient=gradient, noise=model
    )
    apply_noise(problem, model)
    return problem
