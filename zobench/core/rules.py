"""Rules: from a gradient recipe to a move. Only rules see arrays, and one block at a time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from zobench.core.directions import Array, Recipe
from zobench.core.params import Params
from zobench.core.schedules import Value, above_zero, at, below_one, not_negative

RANGES = {  # of every rule's settings; lr = 0 stands still, which shows drift
    "lr": not_negative,
    "weight_decay": not_negative,
    "beta": below_one,
    "b1": below_one,
    "b2": below_one,
    "horizon": above_zero,
}


class Rule(Protocol):
    """How a gradient estimate becomes a move at step t."""

    def apply(self, params: Params, gradient: Recipe, t: int) -> None: ...


class _Checked:
    """A rule that raises BadInput for a setting that cannot be, when it is made."""

    def __post_init__(self) -> None:
        for name, check in RANGES.items():
            if hasattr(self, name):
                check(name, getattr(self, name))


def decay(params: Params, gradient: Recipe, factor: float) -> None:
    """Decoupled weight decay of the blocks that the gradient touches: x <- (1 - factor) x."""
    if factor:
        params.shrink(1 - factor, frozenset(b.index for b in params.touched(gradient)))


@dataclass
class SGD(_Checked):
    """x <- x - lr g - lr wd x. Linear in the recipe, so it merges with the pending restore."""

    on_device = True  # moves by scalars that it never looks at

    lr: Value
    weight_decay: float = 0.0

    def apply(self, params: Params, gradient: Recipe, t: int) -> None:
        lr = at(self.lr, t)
        if self.weight_decay:
            decay(params, gradient, lr * self.weight_decay)
        for weight, direction in gradient.terms:
            params.add(-lr * weight, direction)


@dataclass
class Momentum(_Checked):
    """m <- beta m + g, x <- x - lr m (heavy ball), with m stored: one array a block."""

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
class ReplayedMomentum(_Checked):
    """The same m, never stored: the last `horizon` recipes are replayed from their scalars.

    m_t = sum_{j < horizon} beta^j g_{t-j}: a truncation of weight beta^horizon, at the price of
    `horizon` draws of noise a step and no memory.
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
class Sign(_Checked):
    """x <- x - lr sign(g), entry by entry (signSGD; Liu et al., ICLR 2019)."""

    lr: Value

    def apply(self, params: Params, gradient: Recipe, t: int) -> None:
        params.flush()
        for block in params.touched(gradient):
            g = params.dense(gradient, block)
            params.update(block, -at(self.lr, t) * params.ops.sign(g))


@dataclass
class Normalised(_Checked):
    """x <- x - lr g / |g|: a step of length lr, whatever the slope. No step where g = 0."""

    lr: Value

    def apply(self, params: Params, gradient: Recipe, t: int) -> None:
        length = params.norm(gradient)
        for weight, direction in gradient.terms if length > 0 else ():
            params.add(-at(self.lr, t) * weight / length, direction)


@dataclass
class Adam(_Checked):
    """Adam on the estimate (Kingma & Ba, 2015); `amsgrad` keeps the largest second moment.

    Blocks that a gradient does not touch keep their moments, and count steps of their own, so
    that block-coordinate directions are not biased by other blocks' steps.
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
        """The moments' update by g, and the step of length about 1 an entry that they give."""
        state = self.state.setdefault(index, [0 * g, 0 * g, 0 * g][: 3 if self.amsgrad else 2])
        steps = self.steps[index] = self.steps.get(index, 0) + 1
        m, v = state[:2]
        m += (1 - self.b1) * (g - m)
        v += (1 - self.b2) * (g * g - v)
        if self.amsgrad:
            v = state[2] = params.ops.maximum(state[2], v)
        m_hat, v_hat = m / (1 - self.b1**steps), v / (1 - self.b2**steps)
        return m_hat / (v_hat**0.5 + self.delta)
