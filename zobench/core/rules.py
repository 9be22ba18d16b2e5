"""Rules: from a gradient recipe to a move. Only rules see arrays, and one block at a time.

>>> import numpy as np
>>> from zobench import Coordinate, Recipe, VectorParams, rules
>>> params = VectorParams(np.zeros(2))
>>> rules.SGD(lr=0.5).apply(params, Recipe(((2.0, Coordinate(1)),)), 0)
>>> params.x.tolist()
[0.0, -1.0]
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from zobench.core.directions import Array, Recipe
from zobench.core.params import Params
from zobench.core.schedules import Value, above_zero, at, below_one, not_negative

__all__ = [
    "SGD",
    "Adam",
    "CheckedRule",
    "Momentum",
    "Normalised",
    "ReplayedMomentum",
    "Rule",
    "Sign",
    "decay",
]

RANGES: dict[
    str, Callable[[str, Any], None]
] = {  # of the settings of all rules; lr = 0 does not move, which shows drift
    "lr": not_negative,
    "weight_decay": not_negative,
    "beta": below_one,
    "b1": below_one,
    "b2": below_one,
    "horizon": above_zero,
}


class Rule(Protocol):
    """Moves the point by a gradient estimate."""

    def apply(self, params: Params, gradient: Recipe, t: int) -> None:
        """Move the point.

        Args:
            params: the point.
            gradient: the estimate.
            t: number of the step, from 0.
        """
        ...


class CheckedRule:
    """A rule that raises BadInput for a setting out of its range when it is made."""

    def __post_init__(self) -> None:
        for name, check in RANGES.items():
            if hasattr(self, name):
                check(name, getattr(self, name))

    def apply(self, params: Params, gradient: Recipe, t: int) -> None:
        """Move the point.

        Args:
            params: the point.
            gradient: the estimate.
            t: number of the step, from 0.
        """
        raise NotImplementedError


def decay(params: Params, gradient: Recipe, factor: float) -> None:
    """Shrink the blocks that a gradient touches: x <- (1 - factor) x, decoupled weight decay.

    Args:
        params: the point.
        gradient: estimate of the step.
        factor: share of the weights that is taken away.
    """
    if factor:
        params.shrink(1 - factor, frozenset(b.index for b in params.touched(gradient)))


@dataclass
class SGD(CheckedRule):
    """Gradient descent: x <- x - lr g - lr weight_decay x.

    It is linear in the recipe, so that it merges with the pending restore.

    Args:
        lr: learning rate, or a schedule of it.
        weight_decay: factor of the decoupled weight decay.
    """

    on_device = True  # moves by scalars that it never looks at

    lr: Value
    weight_decay: float = 0.0

    def apply(self, params: Params, gradient: Recipe, t: int) -> None:
        lr = self.lr
        if callable(lr):  # as `at` does, whose call takes 0.1 us
            lr = lr(t)
        if self.weight_decay:
            decay(params, gradient, lr * self.weight_decay)
        for weight, direction in gradient.terms:
            params.add(-lr * weight, direction)


@dataclass
class Momentum(CheckedRule):
    """Heavy-ball momentum: m <- beta m + g, x <- x - lr m, with m stored: one array per block.

    Args:
        lr: learning rate, or a schedule of it.
        beta: factor of the momentum per step.
        weight_decay: factor of the decoupled weight decay.
        moments: m, by the index of its block.
    """

    lr: Value
    beta: float = 0.9
    weight_decay: float = 0.0
    moments: dict[int, Array] = field(default_factory=dict, repr=False)

    def apply(self, params: Params, gradient: Recipe, t: int) -> None:
        lr = at(self.lr, t)
        decay(params, gradient, lr * self.weight_decay)
        params.flush()
        for block in params.touched(gradient):
            g = params.dense(gradient, block)
            m = self.moments.get(block.index)
            self.moments[block.index] = m = g if m is None else self.beta * m + g
            params.update(block, -lr * m)


@dataclass
class ReplayedMomentum(CheckedRule):
    """Heavy-ball momentum that is never stored: the last recipes are replayed from their scalars.

    m_t = sum_{j < horizon} beta^j g_{t-j}, x <- x - lr m: a truncation of weight beta^horizon, at
    the price of `horizon` draws of noise per step and of no memory.

    Args:
        lr: learning rate, or a schedule of it.
        beta: factor of the momentum per step.
        horizon: number of recipes that are replayed.
        recipes: the last recipes, the newest first.
    """

    on_device = True  # moves by scalars that it never looks at

    lr: Value
    beta: float = 0.9
    horizon: int = 40
    recipes: deque[Recipe] = field(default_factory=deque, repr=False)

    def apply(self, params: Params, gradient: Recipe, t: int) -> None:
        lr = at(self.lr, t)
        self.recipes.appendleft(gradient)
        while len(self.recipes) > self.horizon:
            self.recipes.pop()
        for age, recipe in enumerate(self.recipes):
            for weight, direction in recipe.terms:
                params.add(-lr * self.beta**age * weight, direction)


@dataclass
class Sign(CheckedRule):
    """The sign of the estimate: x <- x - lr sign(g), entry by entry (Liu et al., ICLR 2019).

    Args:
        lr: learning rate, or a schedule of it.
    """

    lr: Value

    def apply(self, params: Params, gradient: Recipe, t: int) -> None:
        params.flush()
        for block in params.touched(gradient):
            g = params.dense(gradient, block)
            params.update(block, -at(self.lr, t) * params.ops.sign(g))


@dataclass
class Normalised(CheckedRule):
    """Steps of length lr, whatever the slope: x <- x - lr g / |g|; no step where g = 0.

    Args:
        lr: learning rate, or a schedule of it.
    """

    lr: Value

    def apply(self, params: Params, gradient: Recipe, t: int) -> None:
        length = params.norm(gradient)
        for weight, direction in gradient.terms if length > 0 else ():
            params.add(-at(self.lr, t) * weight / length, direction)


@dataclass
class Adam(CheckedRule):
    """Adam on the estimate (Kingma & Ba, 2015).

    Blocks that a gradient does not touch keep their moments, and count steps of their own, so
    that block-coordinate directions are not biased by the steps of other blocks.

    Args:
        lr: learning rate, or a schedule of it.
        b1: factor of the first moment per step.
        b2: factor of the second moment per step.
        delta: number that is added to the root of the second moment.
        amsgrad: True to divide by the largest second moment so far.
        weight_decay: factor of the decoupled weight decay.
        state: moments, and with `amsgrad` the largest second one, by the index of their block.
        steps: number of steps, by the index of the block.
    """

    lr: Value
    b1: float = 0.9
    b2: float = 0.999
    delta: float = 1e-8
    amsgrad: bool = False
    weight_decay: float = 0.0
    state: dict[int, list[Array]] = field(default_factory=dict, repr=False)  # m, v, max v
    steps: dict[int, int] = field(default_factory=dict, repr=False)

    def apply(self, params: Params, gradient: Recipe, t: int) -> None:
        decay(params, gradient, at(self.lr, t) * self.weight_decay)
        params.flush()
        for block in params.touched(gradient):
            g = params.dense(gradient, block)
            params.update(block, -at(self.lr, t) * self.direction(params, block.index, g))

    def direction(self, params: Params, index: int, g: Array) -> Array:
        """Update the moments of a block, and return their step, about 1 long per entry.

        Args:
            params: the point.
            index: of the block.
            g: gradient estimate on the block, flat.

        Returns:
            The step, an array of the shape of `g`.
        """
        state = self.state.setdefault(index, [0 * g, 0 * g, 0 * g][: 3 if self.amsgrad else 2])
        steps = self.steps[index] = self.steps.get(index, 0) + 1
        m, v = state[:2]
        m += (1 - self.b1) * (g - m)
        v += (1 - self.b2) * (g * g - v)
        if self.amsgrad:
            v = state[2] = params.ops.maximum(state[2], v)
        m_hat, v_hat = m / (1 - self.b1**steps), v / (1 - self.b2**steps)
        return m_hat / (v_hat**0.5 + self.delta)
