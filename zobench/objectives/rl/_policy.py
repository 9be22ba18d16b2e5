"""Policies: functions from observation to action, whose weights are the point of the search.

A policy is linear (ARS, arXiv:1803.07055) or a tanh network (OpenAI-ES, arXiv:1703.03864). A layer
is one block of shape (out, in), or (out, in + 1) with the bias as its last column, so that layers
are the groups. The code uses NumPy, because a forward pass for one observation is several times as
fast as in torch, and plain Python numbers for a few products, which is twice as fast as NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from zobench.core.oracle import Diverged
from zobench.objectives.rl._whitening import Moments

Act = Callable[[Any], Any]  # observation -> action
Outputs = Callable[[Any], list[float]]  # observation -> one output per action or coordinate
FEW = 20  # products; linear policies with at most this many are computed without NumPy


@dataclass(frozen=True)
class Shape:
    """The sizes of a policy: observations, hidden layers, outputs."""

    inputs: int
    hidden: tuple[int, ...]
    outputs: int
    bias: bool  # of a linear policy; the layers of a network always have one

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """The shape of each layer's block."""
        extra = int(self.bias or bool(self.hidden))
        sizes = (self.inputs, *self.hidden, self.outputs)
        return [(after, before + extra) for before, after in pairwise(sizes)]

    @property
    def is_small(self) -> bool:
        """True if NumPy would be slower. The policy then takes lists as well as arrays."""
        return not self.hidden and self.inputs * self.outputs <= FEW

    def start(self, rng: np.random.Generator) -> np.ndarray:
        """Start at zero, except hidden weights ~ N(0, 1 / fan_in).

        With all weights zero, the output of a network would not depend on any single weight. The
        last layer is zero, so that every policy starts with the same constant action.
        """
        parts = [rng.standard_normal(shape) / np.sqrt(shape[1] - 1) for shape in self.blocks[:-1]]
        for part in parts:
            part[:, -1] = 0.0
        return np.concatenate([p.ravel() for p in parts] + [np.zeros(prod(self.blocks[-1]))])

    def outputs_at(self, x: np.ndarray, moments: Moments | None) -> Outputs:
        """Return the policy's outputs at the point x of shape (d,), as a function of observations.

        Whitening by `moments` is folded into the first layer:
        W ((o - mean) * scale) = (W * scale) o - (W * scale) mean.
        """
        weights, biases, start = [], [], 0
        for shape in self.blocks:
            block = x[start : start + prod(shape)].reshape(shape)
            start += prod(shape)
            biased = self.bias or bool(self.hidden)
            weights.append(block[:, :-1].copy() if biased else block)
            biases.append(block[:, -1] if biased else None)
        if moments is not None and moments.count:
            weights[0] = weights[0] * moments.scale
            shift = weights[0].dot(moments.mean)
            biases[0] = -shift if biases[0] is None else biases[0] - shift
        return _network(weights, biases)


def _network(weights: Sequence[np.ndarray], biases: Sequence[np.ndarray | None]) -> Outputs:
    *inner, last = weights
    bias = biases[-1]
    if not inner and last.size <= FEW:
        return _few(last, bias)
    if not inner:
        return _affine(last, bias)
    layers = list(zip(inner, biases))

    def forward(obs: Any) -> list[float]:
        for weight, shift in layers:
            obs = np.tanh(weight.dot(obs) + shift)
        return (last.dot(obs) + bias).tolist()

    return forward


def _affine(weight: np.ndarray, bias: np.ndarray | None) -> Outputs:
    """Compute W o + b as one product with (o, 1), which takes half the time of two operations."""
    if bias is None:
        return lambda obs: weight.dot(obs).tolist()
    row, dot = np.ones(weight.shape[1] + 1), np.column_stack((weight, bias)).dot
    head = row[:-1]

    def forward(obs: Any) -> list[float]:
        head[...] = obs
        return dot(row).tolist()

    return forward


def _few(weight: np.ndarray, bias: np.ndarray | None) -> Outputs:
    """Compute W o + b in 64 bits, summed from left to right; NumPy may differ in the last bit."""
    numbers = weight.ravel().tolist() + ([] if bias is None else bias.tolist())
    outputs = _written_out(*weight.shape, bias is not None)(*numbers)
    array = np.ndarray
    return lambda obs: outputs(*(obs.tolist() if type(obs) is array else obs))


@cache
def _written_out(
    rows: int, columns: int, biased: bool
) -> Callable[..., Callable[..., list[float]]]:
    """Write the sums of products as one expression.

    For 1 row and 2 columns: lambda w0_0, w0_1, b0: lambda o0, o1: [w0_0*o0 + w0_1*o1 + b0].
    """
    products = [[f"w{i}_{j}*o{j}" for j in range(columns)] for i in range(rows)]
    biases = [f"b{i}" for i in range(rows) if biased]
    sums = [" + ".join(row + biases[i : i + 1]) for i, row in enumerate(products)]
    names = [f"w{i}_{j}" for i in range(rows) for j in range(columns)] + biases
    inputs = ", ".join(f"o{j}" for j in range(columns))
    return eval(f"lambda {', '.join(names)}: lambda {inputs}: [{', '.join(sums)}]")


def acting(outputs: Outputs, space: Any, noise: float, seed: int) -> Act:
    """Return the function from observation to action for a Discrete or Box action space.

    A Discrete action is the index of the largest output; a Box action is the outputs, clipped.
    `noise` > 0 makes the policy stochastic: a Discrete action has probability
    softmax(outputs / noise); a Box action gets noise times a standard normal number per coordinate,
    before clipping. `seed` fixes the draws. The function raises Diverged if an output is NaN.
    """
    discrete = hasattr(space, "n")
    if noise > 0.0:
        rng = np.random.default_rng(seed)
        draw, count = (
            (rng.gumbel, int(space.n)) if discrete else (rng.standard_normal, prod(space.shape))
        )
        outputs = _noisy(outputs, partial(draw, size=count), noise)
    return _choosing(outputs, int(space.start)) if discrete else _clipping(outputs, space)


def _noisy(outputs: Outputs, draw: Callable[[], Any], noise: float) -> Outputs:
    return lambda obs: (np.asarray(outputs(obs)) + noise * draw()).tolist()


def _choosing(outputs: Outputs, first: int) -> Act:
    def act(obs: Any) -> int:
        values = outputs(obs)
        total = sum(values)
        if total != total and any(v != v for v in values):
            raise _not_a_number(obs)
        return first + values.index(max(values))

    return act


def _clipping(outputs: Outputs, space: Any) -> Act:
    bounds = list(zip(space.low.ravel().tolist(), space.high.ravel().tolist()))
    shape, dtype, integers = space.shape, space.dtype, space.dtype.kind in "iu"
    (low, high), single = bounds[0], len(bounds) == 1 and len(shape) == 1 and not integers

    def act_one(obs: Any) -> np.ndarray:
        (v,) = outputs(obs)
        if v != v:
            raise _not_a_number(obs)
        return np.array((low if v < low else high if v > high else v,), dtype)

    def act(obs: Any) -> np.ndarray:
        clipped = [
            a if v < a else b if v > b else v if v == v else _fail(obs)
            for v, (a, b) in zip(outputs(obs), bounds)
        ]
        if integers:
            clipped = [round(v) for v in clipped]
        action = np.array(clipped, dtype)
        return action if len(shape) == 1 else action.reshape(shape)

    return act_one if single else act


def _fail(obs: Any) -> float:
    raise _not_a_number(obs)


def _not_a_number(obs: Any) -> Diverged:
    wrong = not np.isfinite(np.asarray(obs)).all()
    return Diverged(f"the {'observation' if wrong else 'output of the policy'} was not a number")
