"""Rosenbrock's valley in any number of dimensions (Rosenbrock, Computer Journal 3, 1960)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zobench.objectives.synthetic._settings import (
    BLOCKS,
    NOISE,
    TENSORS,
    BlockSettings,
    NoiseSettings,
    TensorSettings,
    at_least,
    shared_settings,
)
from zobench.registry import objectives

if TYPE_CHECKING:
    from zobench.objectives.synthetic._tensors import TensorProblem


@objectives.register(
    "chained-rosenbrock",
    version="1",
    in_worker=("zobench.objectives.synthetic._tensors",),
    isolate=True,
)
@shared_settings
def chained_rosenbrock(
    dim: int = 1000,
    basis: str = "identity",
    instance: int = 1,
    split: BlockSettings = BLOCKS,
    storage: TensorSettings = TENSORS,
    noise: NoiseSettings = NOISE,
) -> TensorProblem:
    """A long curved valley in a large space, in place; minimum 0 at y = 1, f(x0) = 1 at x0 = 0.

    f(x) = sum_{i < dim} [100 (y_{i+1} - y_i^2)^2 + (1 - y_i)^2] / (dim - 1), y = Q' x, with Q the
    identity or, for `basis` "random", a rotation from `instance`. Every seed has the same start.
    Noise levels are relative to f(x0) - f* = 1. Memory: the point, with "random" twice.
    """
    from zobench.objectives.synthetic._basis import basis_of
    from zobench.objectives.synthetic._chained import Chained
    from zobench.objectives.synthetic._tensors import TensorProblem, layout

    at_least("dim", dim, 2)
    return TensorProblem(
        Chained(dim),
        basis_of(basis, dim, dim, instance),
        layout(dim, split, storage),
        noise.model(dim),
    )
