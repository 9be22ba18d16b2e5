"""What all vector objectives share: blocks, noise and the checks of their settings."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from zobench.core.problem import VectorProblem
from zobench.errors import BadInput
from zobench.objectives.synthetic._noise import loss_noise, settle


def vector_problem(
    f: Callable[[np.ndarray], np.ndarray],
    start: Callable[[np.random.Generator], np.ndarray],
    minimum: float = 0.0,
    *,
    dim: int,
    blocks: int = 1,
    matrix: bool = False,
    gradient: Callable[[np.ndarray], np.ndarray] | None = None,
    noise: str = "none",
    noise_level: float = 0.01,
    noise_kind: str = "fresh",
) -> VectorProblem:
    """f: (n, dim) -> (n,) with the settings that every vector objective offers.

    Raises BadInput on a number of blocks that does not fit and on unknown noise.
    """
    model = loss_noise(noise, noise_level, noise_kind, dim)
    problem = VectorProblem(
        f, start, minimum, shapes=shapes(dim, blocks, matrix), gradient=gradient, noise=model
    )
    settle(problem, model)
    return problem


def shapes(dim: int, blocks: int, matrix: bool) -> tuple[tuple[int, ...], ...]:
    """`blocks` shapes that hold dim coordinates, sizes equal up to one.

    With `matrix`, a block whose size has divisors is the squarest matrix of that size, so that
    low-rank directions apply; a block of prime size stays a vector.
    Raises BadInput unless 1 <= blocks <= dim.
    """
    if not 1 <= blocks <= dim:
        raise BadInput(f"blocks is a number from 1 to the dimension {dim}, not {blocks}")
    sizes = [dim // blocks + (i < dim % blocks) for i in range(blocks)]
    return tuple(_squarest(size) if matrix else (size,) for size in sizes)


def _squarest(size: int) -> tuple[int, ...]:
    rows = next(r for r in range(math.isqrt(size), 0, -1) if size % r == 0)
    return (rows, size // rows) if rows > 1 else (size,)


def at_least(name: str, value: float, low: float) -> None:
    """Raises BadInput when a setting lies below what makes sense, or is not a finite number."""
    if not low <= value < math.inf:
        raise BadInput(f"{name} is a number >= {low}, not {value}")
