"""The problems on which estimators are checked: a sphere of rows, and one of tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from zobench.core.problem import InPlaceProblem, VectorProblem
from zobench.registry import Entry

Shapes = tuple[tuple[int, ...], ...]
SHAPES: Shapes = ((4, 3), (6, 2))  # two groups, both matrices: d = 24


def shapes_for(entry: Entry, wanted: Shapes = SHAPES) -> Shapes:
    """The shapes, or such that an estimator for at most `entry.max_dim` coordinates can take."""
    size, most = sum(int(np.prod(shape)) for shape in wanted), entry.max_dim
    if not most or size <= most:
        return wanted
    half = most // 4
    return ((2, half), (2, half)) if half else ((most,),)


def sphere(shapes: Shapes = SHAPES, optimum: float = 1.0) -> VectorProblem:
    """f(x) = |x - optimum|^2 / 2 from 0, as rows."""
    size = sum(int(np.prod(shape)) for shape in shapes)
    return VectorProblem(
        lambda x: 0.5 * ((x - optimum) ** 2).sum(axis=1),
        lambda rng: np.zeros(size),
        shapes=shapes,
        gradient=lambda x: x - optimum,
    )


class TensorSphere(InPlaceProblem):
    """The same function on torch tensors, walked in place."""

    score_name = "gap"

    def __init__(
        self, shapes: Shapes = SHAPES, optimum: float = 1.0, dtype: str = "float64"
    ) -> None:
        self.shapes, self.optimum, self.dtype = shapes, optimum, dtype

    def start(self, seed: int) -> Any:
        import torch

        from zobench.engine.tensors import TensorParams

        self.tensors = [torch.zeros(s, dtype=getattr(torch, self.dtype)) for s in self.shapes]
        self.params = TensorParams((f"x{i}", t) for i, t in enumerate(self.tensors))
        return self.params

    def loss(self, seed: int) -> float:
        return sum(0.5 * float(((t.double() - self.optimum) ** 2).sum()) for t in self.tensors)

    def score(self) -> dict[str, float]:
        self.params.flush()
        return {"gap": self.loss(0)}

    def gradient(self, seed: int) -> tuple[float, list[Any]]:
        self.params.flush()
        return self.loss(0), [(t - self.optimum).reshape(-1) for t in self.tensors]
