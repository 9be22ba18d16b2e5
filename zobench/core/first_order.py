"""First-order references: the same rules on a gradient that the objective computes."""

from __future__ import annotations

from dataclasses import dataclass

from zobench.core.oracle import Oracle
from zobench.core.params import Params
from zobench.core.rules import Adam


@dataclass
class GradientDescent:
    """x <- x - lr g, or Adam on g. One gradient is one query and about 3 forward-equivalents."""

    lr: float
    adam: Adam | None = None

    def start(self, params: Params, seed: int) -> None:
        self.params = params

    def step(self, evaluate: Oracle) -> None:
        _, gradients = evaluate.gradient()
        for block, g in zip(self.params.blocks, gradients):
            move = self.adam.direction(self.params, block.index, g) if self.adam else g
            self.params.update(block, -self.lr * move)
