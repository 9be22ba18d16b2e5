"""Rosenbrock's function chained over any number of coordinates, scaled to 1 at the origin."""

from __future__ import annotations

import torch

from zobench.objectives.synthetic._function import ChunkedFunction, total


class Chained(ChunkedFunction):
    """The function sum_{i < n} [100 (y_{i+1} - y_i^2)^2 + (1 - y_i)^2] / (n - 1), from y = 0."""

    def __init__(self, size: int) -> None:
        self.size = size

    def value(self, y: torch.Tensor) -> float:
        sums = total(y)
        for start, stop in self.chunks(first=1):
            z = y[start - 1 : stop].double()  # a chunk, and the coordinate before it
            head = z[:-1]
            bend, rest = z[1:] - head * head, 1.0 - head
            sums += 100.0 * bend.dot(bend) + rest.dot(rest)
        return float(sums) / (self.size - 1)

    def slope(self, y: torch.Tensor) -> torch.Tensor:
        g = torch.zeros_like(y)
        scale = 1.0 / (self.size - 1)
        last = y.new_zeros(
            1, dtype=torch.float64
        )  # what the chunk before adds to the first coordinate
        for start, stop in self.chunks(first=1):
            z = y[start - 1 : stop].double()
            head = z[:-1]
            bend = z[1:] - head * head
            part = torch.zeros_like(z)
            part[:-1] = -400.0 * head * bend - 2.0 * (1.0 - head)
            part[1:] += 200.0 * bend
            part[:1] += last
            g[start - 1 : stop] = scale * part
            last = part[-1:]
        return g

    def fill_start(self, y: torch.Tensor, seed: int) -> None:
        y.zero_()

    def fill_optimum(self, y: torch.Tensor) -> None:
        y.fill_(1.0)
