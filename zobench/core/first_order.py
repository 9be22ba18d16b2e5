"""First-order references: gradient descent and Adam on a gradient that the objective computes."""

from __future__ import annotations

from dataclasses import dataclass

from zobench.core.estimator import fit_schedules
from zobench.core.oracle import Oracle
from zobench.core.params import Params
from zobench.core.rules import Adam
from zobench.core.schedules import Value, at


@dataclass
class GradientDescent:
    """Move x <- x - lr g, or by Adam on g. A gradient is one query and costs about 3 forwards."""

    lr: Value
    adam: Adam | None = None

    def start(self, params: Params, seed: int) -> None:
        self.params, self.t = params, 0

    def step(self, evaluate: Oracle) -> None:
        if self.t == 1:
            fit_schedules([self], evaluate)
        lr = at(self.lr, self.t)
        _, gradients = evaluate.gradient()
        for block, g in zip(self.params.blocks, gradients):
            move = self.adam.direction(self.params, block.index, g) if self.adam else g
            self.params.update(block, -lr * move)
        self.t += 1
