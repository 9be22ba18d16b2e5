"""Schemes: from losses at probes to a gradient recipe, g = sum_i w_i d_i.

A scheme is called as (params, evaluate, draw, t). With E[d dᵀ] = I no scheme has a factor d.

    >>> import numpy as np
    >>> from zobench import Oracle, Recipe, VectorProblem, samplers, schemes
    >>> problem = VectorProblem(lambda x: x @ np.array([1.0, 2.0]), lambda rng: np.zeros(2))
    >>> params, coordinates = problem.start(0), samplers.Coordinates()
    >>> central = schemes.Central(eps=0.1, n=2)
    >>> g = central(params, Oracle(problem, 4, 0), lambda: coordinates(params, 0, 5, 6), 0)
    >>> params.dense(g, params.blocks[0]).round(6).tolist()
    [1.0, 2.0]
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from zobench.core.directions import Direction, Probe, Recipe
from zobench.core.params import Params
from zobench.core.schedules import Value, above_zero, at, not_negative
from zobench.errors import BadInput

__all__ = [
    "Central",
    "Draw",
    "Evaluate",
    "Forward",
    "OnePoint",
    "ResidualOnePoint",
    "Scheme",
    "TopPairs",
    "at_least_one",
    "by_name",
    "compare_only",
    "pairs",
]

# evaluate(probes) -> losses: one call is one draw of the noise, and does not move the point.
# Directions are frozen values, so that the way back from a probe is the way to it.
Evaluate = Callable[[Sequence[Probe]], Sequence[float]]
Draw = Callable[[], Direction]

COMBINERS = ("mean", "align")


class Scheme(Protocol):
    """Asks for losses, and makes a recipe of them.

    A scheme with `on_device = True` only computes with losses, and never looks at them, so that
    they may be tensors that stay on their device.
    """

    def __call__(self, params: Params, evaluate: Evaluate, draw: Draw, t: int) -> Recipe:
        """Return the gradient estimate of a step.

        Args:
            params: the point.
            evaluate: function from probes to their losses.
            draw: function without arguments that returns the next direction.
            t: number of the step, from 0.

        Returns:
            The estimate.
        """
        ...


@dataclass
class _Averaged:
    """The common part of the schemes that average over n directions.

    Args:
        eps: smoothing radius, or a schedule of it.
        n: number of directions per step; 0: d.
        combine: "mean", or "align" for the least-squares fit of the slopes.
        clip: bound of the magnitude of a slope.
    """

    eps: Value
    n: int = 1
    combine: str = "mean"
    clip: float = float("inf")

    def __post_init__(self) -> None:
        above_zero("eps", self.eps)
        not_negative("clip", self.clip)
        if self.combine not in COMBINERS:
            raise BadInput(f"combine is one of {', '.join(COMBINERS)}, not {self.combine!r}")
        if self.n < 0:
            raise BadInput(f"n is a number of directions, not {self.n}")

    @property
    def plain(self) -> bool:
        """True if slopes are used as they are."""
        return self.combine == "mean" and self.clip == float("inf")

    @property
    def on_device(self) -> bool:
        return self.plain

    def recipe(self, params: Params, directions: list[Direction], slopes: list[float]) -> Recipe:
        """Return the mean of slope times direction, or the least-squares fit in their span.

        Args:
            params: the point.
            directions: n directions.
            slopes: n slopes along them.

        Returns:
            The estimate.
        """
        if self.clip < float("inf"):
            slopes = [min(max(slope, -self.clip), self.clip) for slope in slopes]
        count = len(slopes)
        if self.combine == "mean":
            return Recipe(tuple((slope / count, d) for slope, d in zip(slopes, directions)))
        gram = params.gram(directions)
        fit = np.linalg.lstsq(gram, np.asarray(slopes), rcond=None)[0] * (params.size / count)
        return Recipe(tuple(zip(fit.tolist(), directions)))


class Central(_Averaged):
    """Central differences c_i = (f(x + eps d_i) - f(x - eps d_i)) / (2 eps): 2n queries.

    combine = "mean": g = (1/n) sum_i c_i d_i. combine = "align": g = (d/n) times the projection of
    the gradient onto span(d_1 .. d_n), from the same slopes (multi-query alignment,
    arXiv:2509.15552); both have expectation grad f on a linear f.

    Args:
        eps: smoothing radius, or a schedule of it.
        n: number of directions per step; 0: d.
        combine: "mean" or "align".
        clip: bound of the magnitude of a slope.
    """

    def __call__(self, params: Params, evaluate: Evaluate, draw: Draw, t: int) -> Recipe:
        eps = self.eps
        if callable(eps):  # as `at` does, whose call takes 0.1 us
            eps = eps(t)
        half = 0.5 / eps
        if self.n == 1 and self.plain:  # the common case, without its loops
            direction = draw()
            plus, minus = evaluate(((eps, direction), (-eps, direction)))
            return Recipe((((plus - minus) * half, direction),))
        directions, losses = pairs(params, evaluate, draw, eps, self.n)
        slopes = [(losses[k] - losses[k + 1]) * half for k in range(0, len(losses), 2)]
        return self.recipe(params, directions, slopes)


class Forward(_Averaged):
    """Forward differences c_i = (f(x + eps d_i) - f(x)) / eps: n + 1 queries, f(x) for all.

    Args:
        eps: smoothing radius, or a schedule of it.
        n: number of directions per step; 0: d.
        combine: "mean" or "align", as in `Central`.
        clip: bound of the magnitude of a slope.
    """

    def __call__(self, params: Params, evaluate: Evaluate, draw: Draw, t: int) -> Recipe:
        eps = at(self.eps, t)
        directions = [draw() for _ in range(self.n or params.size)]
        base, *losses = evaluate([(0.0, directions[0]), *((eps, d) for d in directions)])
        return self.recipe(params, directions, [(loss - base) / eps for loss in losses])


@dataclass
class OnePoint:
    """The estimate g = (f(x + eps d) - b) / eps d: 1 query (Flaxman et al., 2005, at b = 0).

    Args:
        eps: smoothing radius, or a schedule of it.
        baseline: True for b = the mean of the previous losses, which does not change the
            expectation and removes most of the variance; False for b = 0.
        mean: mean of the losses so far.
    """

    on_device = True  # no annotation: not a setting

    eps: Value
    baseline: bool = False
    mean: float = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        above_zero("eps", self.eps)

    def __call__(self, params: Params, evaluate: Evaluate, draw: Draw, t: int) -> Recipe:
        eps, direction = at(self.eps, t), draw()
        loss = evaluate([(eps, direction)])[0]
        if self.baseline and t == 0:
            self.mean = loss  # no earlier loss to compare with: the first step does not move
        weight = (loss - self.mean) / eps
        if self.baseline:
            self.mean += (loss - self.mean) / (t + 1)
        return Recipe(((weight, direction),))


@dataclass
class ResidualOnePoint:
    """The estimate g = (f(x_t + eps d_t) - f(x_{t-1} + eps d_{t-1})) / eps d_t: 1 query.

    Residual feedback (Zhang et al., arXiv:2006.10820). The first step does not move.

    Args:
        eps: smoothing radius, or a schedule of it.
        previous: loss of the step before.
    """

    on_device = True  # no annotation: not a setting

    eps: Value
    previous: float | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        above_zero("eps", self.eps)

    def __call__(self, params: Params, evaluate: Evaluate, draw: Draw, t: int) -> Recipe:
        eps, direction = at(self.eps, t), draw()
        loss = evaluate([(eps, direction)])[0]
        weight = 0.0 if self.previous is None else (loss - self.previous) / eps
        self.previous = loss
        return Recipe(((weight, direction),))


@dataclass
class TopPairs:
    """The best of n pairs, by their better loss, divided by the deviation of their losses.

    w_i = (f(x + eps d_i) - f(x - eps d_i)) / (keep std), with std over the 2 keep losses used
    (ARS V1-t, Mania et al., arXiv:1803.07055, Algorithm 1). Equal losses give a zero step.

    Args:
        eps: smoothing radius, or a schedule of it.
        n: number of antithetic pairs per step.
        keep: number of pairs that are used.
    """

    eps: Value
    n: int
    keep: int

    def __post_init__(self) -> None:
        above_zero("eps", self.eps)
        if not 1 <= self.keep <= self.n:
            raise BadInput(f"keep must be between 1 and n = {self.n}, not {self.keep}")

    def __call__(self, params: Params, evaluate: Evaluate, draw: Draw, t: int) -> Recipe:
        directions, flat = pairs(params, evaluate, draw, at(self.eps, t), self.n)
        losses = np.reshape(flat, (self.n, 2))
        best = np.argsort(losses.min(axis=1), kind="stable")[: self.keep]
        std = float(losses[best].std())
        weights = (losses[:, 0] - losses[:, 1]) / (self.keep * std if std > 0 else np.inf)
        return Recipe(tuple((float(weights[i]), directions[i]) for i in best))


def compare_only(evaluate: Evaluate) -> None:
    """Tell an Oracle that the losses are only compared: one that is not finite ends no run.

    For estimators with `ranks = True`, so that they go on in a loop of one's own as in a suite.

    Args:
        evaluate: what `step` was given; anything but an Oracle is left as it is.
    """
    if hasattr(evaluate, "ranks"):
        setattr(evaluate, "ranks", True)  # noqa: B010


def at_least_one(n: int) -> int:
    """Return n if it is at least 1, for directions that cannot be taken all.

    Args:
        n: number of directions.

    Returns:
        The same number.

    Raises:
        BadInput: n < 1.
    """
    if n < 1:
        raise BadInput(f"n is a number of directions of at least 1, not {n}")
    return n


def pairs(
    params: Params, evaluate: Evaluate, draw: Draw, eps: float, n: int
) -> tuple[list[Direction], Sequence[float]]:
    """Ask for losses at +eps and -eps along n directions, in one call of `evaluate`.

    Args:
        params: the point.
        evaluate: function from probes to their losses.
        draw: function without arguments that returns the next direction.
        eps: smoothing radius.
        n: number of directions; 0: d.

    Returns:
        The n directions, and 2n losses: at +eps and -eps along the first, and so on.
    """
    directions = [draw() for _ in range(n or params.size)]
    probes: list[Probe] = []
    for direction in directions:
        probes += (eps, direction), (-eps, direction)
    return directions, evaluate(probes)


NAMES: dict[str, type[Central | Forward]] = {"central": Central, "forward": Forward}


def by_name(name: str, eps: Value, n: int = 1, combine: str = "mean", clip: float = 0.0) -> Scheme:
    """Return the averaging scheme of a name.

    Args:
        name: "central" or "forward".
        eps: smoothing radius, or a schedule of it.
        n: number of directions per step; 0: d.
        combine: "mean" or "align".
        clip: bound of the magnitude of a slope; 0: no bound.

    Returns:
        The scheme.

    Raises:
        BadInput: unknown name.
    """
    if name not in NAMES:
        raise BadInput(f"scheme is one of {', '.join(NAMES)}, not {name!r}")
    return NAMES[name](eps, n, combine, clip or float("inf"))


def __getattr__(name: str) -> Any:
    """Return `by_name` under its name of zobench 0.2."""
    if name != "named":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    text = "zobench.schemes.named is now by_name; the old name goes in zobench 0.4"
    warnings.warn(text, DeprecationWarning, stacklevel=2)
    return by_name
