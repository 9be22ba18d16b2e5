"""The problems on which estimators are checked: a sphere of rows and a sphere of tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from zobench.core.problem import InPlaceProblem, VectorProblem
from zobench.registry import Entry

Shapes = tuple[tuple[int, ...], ...]
SHAPES: Shapes = ((4, 3), (6, 2))  # two groups, both matrices: d = 24


def shapes_for(entry: Entry, shapes: Shapes = SHAPES) -> Shapes:
    """Return `shapes`, or smaller ones of at most `entry.max_dim` coordinates."""
    size, most = sum(int(np.prod(shape)) for shape in shapes), entry.max_dim
    if not most or size <= most:
        return shapes
    half = most // 4
    return ((2, half), (2, half)) if half else ((most,),)


def sphere(shapes: Shapes = SHAPES, optimum: float = 1.0) -> VectorProblem:
    """Make the problem f(x) = |x - optimum|^2 / 2, which starts at 0, as a function of rows."""
    size = sum(int(np.prod(shape)) for shape in shapes)
    return VectorProblem(
        lambda x: 0.5 * ((x - optimum) ** 2).sum(axis=1),
        lambda rng: np.zeros(size),
        shapes=shapes,
        gradient=lambda x: x - optimum,
    )


class TensorSphere(InPlaceProblem):
    """The same function on torch tensors, which are moved in place."""

    score_name = "gap"

    def __init__(
        self, shapes: Shapes = SHAPES, optimum: float = 1.0, dtype: str = "float64"
    ) -> None:
        self.shapes, self.optimum, self.dtype = shapes, optimum, dtype

    def start(self, seed: int) -> Any:
        """Start at 0."""
        import torch

        from zobench.engine.tensors import TensorParams

        self.tensors = [torch.zeros(s, dtype=getattr(torch, self.dtype)) for s in self.shapes]
        self.params = TensorParams((f"x{i}", t) for i, t in enumerate(self.tensors))
        return self.params

    def loss(self, seed: int) -> float:
        """Return f at the tensors as they are."""
        return sum(0.5 * float(((t.double() - self.optimum) ** 2).sum()) for t in self.tensors)

    def score(self) -> dict[str, float]:
        """Return the gap, which is f: its minimum is 0."""
        self.params.flush()
        return {"gap": self.loss(0)}

    def gradient(self, seed: int) -> tuple[float, list[Any]]:
        """Return f and its gradient, one flat tensor per block."""
        self.params.flush()
        return self.loss(0), [(t - self.optimum).reshape(-1) for t in self.tensors]
