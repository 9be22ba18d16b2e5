"""Two convex functions with kinks, both 1 at the start and 0 at the origin."""

from __future__ import annotations

import torch

from zobench.core.seeds import derive
from zobench.objectives.synthetic._function import ChunkedFunction, signs, total


class Kinked(ChunkedFunction):
    """A function with optimum 0, whose starts differ in the signs of the coordinates."""

    def __init__(self, size: int) -> None:
        self.size = size

    def fill_start(self, y: torch.Tensor, seed: int) -> None:
        key = derive("start at a kink", seed)
        for start, stop in self.chunks():
            y[start:stop] = signs(key, start, stop, y)

    def fill_optimum(self, y: torch.Tensor) -> None:
        y.zero_()


class MeanMagnitude(Kinked):
    """The function mean |y_i|, from y_i = +-1."""

    def value(self, y: torch.Tensor) -> float:
        sums = total(y)
        for start, stop in self.chunks():
            sums += torch.linalg.vector_norm(y[start:stop], 1, dtype=torch.float64)
        return float(sums) / self.size

    def slope(self, y: torch.Tensor) -> torch.Tensor:
        return torch.sign(y) / self.size


class LargestMagnitude(Kinked):
    """The function max |y_i|, from y_i = +-i / size."""

    def value(self, y: torch.Tensor) -> float:
        return float(torch.linalg.vector_norm(y, float("inf")))

    def slope(self, y: torch.Tensor) -> torch.Tensor:
        at = int(y.abs().argmax())
        g = torch.zeros_like(y)
        g[at] = torch.sign(y[at])
        return g

    def fill_start(self, y: torch.Tensor, seed: int) -> None:
        super().fill_start(y, seed)
        for start, stop in self.chunks():
            i = torch.arange(start + 1, stop + 1, dtype=torch.float64, device=y.device)
            y[start:stop] *= i / self.size
