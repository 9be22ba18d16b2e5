"""What an objective factory returns: a start, losses at probes, and an off-budget score."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from zobench.core.directions import Array, Direction, Noise, Probe
from zobench.core.params import Params
from zobench.core.seeds import fold
from zobench.core.vector import VectorParams
from zobench.errors import BadInput, Unsuitable

Losses = Sequence[float]  # or 0-d tensors, of a problem whose losses stay on their device
Sharing = AbstractContextManager[Callable[[], float]]  # gives the cost of each probe in turn


class Problem(ABC):
    """A point to improve, and the losses and scores that judge it. Lower is better everywhere."""

    params: Params
    score_name = "loss"  # the entry of `score()` that targets refer to
    scored = "current"  # what reaches a target: the "current" point, or the "best" evaluated one
    stochastic = False  # do losses depend on the seed of the call?
    score_ratio = 1.12  # the current point is scored on a geometric grid of queries, off the clock
    on_device = False  # may losses stay on their device? set for estimators that never compare them
    samples = 0  # examples, episode steps or rows consumed so far
    forwards = 0.0  # forward-equivalents so far; a query that reuses work costs less than 1
    seen: Losses | None = None  # noise-free scores of the last call's points, where they are free

    @abstractmethod
    def start(self, seed: int) -> Params:
        """A fresh starting point, which `losses` and `score` read in place."""

    @abstractmethod
    def losses(self, probes: Sequence[Probe], seed: int) -> Losses:
        """f(x + scale * d) for each probe, all under the noise or minibatch of `seed`.

        Always leaves the point where it was, also when it raises.
        """

    @abstractmethod
    def score(self) -> dict[str, float]:
        """The quality of the point as it stands, without noise and at no cost."""

    def finish(self) -> dict[str, float]:
        """Further scores at the end of a run, such as those of a test split; off the clock."""
        return {}

    def gradient(self, seed: int) -> tuple[float, Sequence[Array]]:
        """(loss, flat gradient of each block) under the minibatch of `seed`."""
        raise Unsuitable("needs gradients, which this objective does not have")

    def reset_meters(self) -> None:
        """What is counted starts again, as at the start of a run."""
        self.samples, self.forwards, self.seen = 0, 0.0, None

    def warm_up(self) -> None:
        """One evaluation that counts for nothing: caches fill, memory of evaluation shows."""
        self.losses([(0.0, Noise(0))], 0)
        self.reset_meters()

    def describe(self) -> dict[str, Any]:
        """Facts for the record: dimension, groups, dtype, realisation, content hashes."""
        groups = {
            g.name: sum(self.params.blocks[i].size for i in g.blocks) for g in self.params.groups
        }
        return {"dimension": self.params.size, "groups": groups}


ARRAY, WIDE = np.ndarray, np.dtype(np.float64)
Noisy = Callable[[np.ndarray, np.ndarray, int], np.ndarray]  # (gaps, points, seed) -> noisy gaps


class VectorProblem(Problem):
    """A function of rows, f: (n, d) -> (n,), with optional noise on what the estimator sees.

    `minimum` is f at the optimum: the score "gap" is f(x) - minimum. The rows, and the point that
    `gradient` is given, are copies: a function may write to them and keep them.
    """

    score_name, scored = "gap", "best"
    params: VectorParams

    def __init__(
        self,
        f: Callable[[np.ndarray], np.ndarray],
        start: Callable[[np.random.Generator], np.ndarray],
        minimum: float = 0.0,
        *,
        shapes: Sequence[tuple[int, ...]] = (),
        gradient: Callable[[np.ndarray], np.ndarray] | None = None,
        noise: Noisy | None = None,
        scored: str = "best",
    ) -> None:
        try:
            known = math.isfinite(minimum)
        except TypeError:
            known = False
        if not known:
            raise BadInput(f"the minimum of a problem is a finite number, not {minimum!r}")
        self.f, self.x0, self.minimum, self.shapes = f, start, minimum, shapes
        self._gradient, self.noise, self.scored = gradient, noise, scored
        self.stochastic = noise is not None

    def start(self, seed: int) -> VectorParams:
        self.params = VectorParams(self.x0(np.random.default_rng(seed)), self.shapes)
        self.reset_meters()
        return self.params

    def losses(self, probes: Sequence[Probe], seed: int) -> list[float]:
        points = self.params.rows(probes)
        given = points if self.noise is None else points.copy()  # noise may depend on the points
        values, count = self.f(given), len(probes)
        if type(values) is not ARRAY or not values.ndim:
            _check(values, count)
        # The usual case is told from the list: with one probe a call, all this is to take 1 us.
        losses = values.tolist()
        if len(losses) != count or type(losses[0]) is not float:
            _check(values, count)
        if values.dtype is not WIDE:  # gaps are differences, which narrow types cannot hold
            values = values.astype(WIDE)
            losses = values.tolist()
        self.samples += count
        self.forwards += count
        if self.noise is not None:
            gaps = values - self.minimum
            self.seen = gaps.tolist()
            return (self.noise(gaps, points, seed) + self.minimum).tolist()
        self.seen = (values - self.minimum).tolist() if self.minimum else losses
        return losses

    def _value(self) -> float:
        values = self.f(self.params.flat()[None])
        _check(values, 1)
        return float(values[0])

    def score(self) -> dict[str, float]:
        value = self._value()
        return {"gap": value - self.minimum, "loss": value}

    def gradient(self, seed: int) -> tuple[float, Sequence[np.ndarray]]:
        if self._gradient is None:
            return super().gradient(seed)
        g = np.array(self._gradient(self.params.flat()), np.float64)  # may be an array of theirs
        if g.shape != (self.params.size,):
            raise ValueError(
                f"the gradient must be an array of shape ({self.params.size},), not {g.shape}"
            )
        loss = self._value()
        self.samples += 1
        self.forwards += 3  # a backward pass costs about two forwards
        self.seen = [loss - self.minimum]
        return loss, [g[b.span] for b in self.params.blocks]


def _check(values: Any, count: int) -> None:
    """Raises ValueError unless `values` are `count` real numbers."""
    array = isinstance(values, np.ndarray)
    right = array and values.dtype.kind in "fiu" and not np.ma.is_masked(values)
    if not right or np.shape(values) != (count,):
        kind = f"{type(values).__name__} of {values.dtype}" if array else type(values).__name__
        raise ValueError(
            f"f must return one real loss a row, an array of shape ({count},), "
            f"not {kind} of shape {np.shape(values)}"
            + " with masked entries"
            * np.ma.is_masked(values)
        )


class InPlaceProblem(Problem):
    """A problem too large to copy its point: a probe moves the point, and moves it back."""

    @abstractmethod
    def loss(self, seed: int) -> float:
        """The loss at the point as it stands, under the noise or minibatch of `seed`."""

    def losses(self, probes: Sequence[Probe], seed: int) -> Losses:
        with self.sharing([direction for _, direction in probes]) as next_probe:
            return [
                self._loss(scale, direction, self.probe_seed(seed, k), next_probe)
                for k, (scale, direction) in enumerate(probes)
            ]

    def _loss(
        self, scale: float, direction: Direction, seed: int, next_probe: Callable[[], float]
    ) -> float:
        with self.params.probed(scale, direction):
            self.forwards += next_probe()
            return self.loss(seed)

    def sharing(self, directions: Sequence[Direction]) -> Sharing:
        """Around the probes of a call; what it gives is called before each: its cost in forwards.

        A problem whose probes have work in common does that work once here.
        """
        return nothing_shared(directions)

    def probe_seed(self, seed: int, k: int) -> int:
        """The seed of the k-th probe of a call: by default all share one minibatch."""
        return seed


def nothing_shared(_: Sequence[Direction]) -> Sharing:
    """Each probe of the call costs one forward."""
    return nullcontext(whole)


def whole() -> float:
    """The cost of a probe that shares nothing, in forward passes."""
    return 1.0


def independent(seed: int, k: int) -> int:
    """A `probe_seed` for noise that differs between the probes of one call."""
    return fold(seed, k)
