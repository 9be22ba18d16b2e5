"""What an objective factory returns: a start, losses at probes, and an off-budget score."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zobench.core.directions import Array, Direction, Noise, Probe
from zobench.core.in_place import Sharing, evaluate_in_place, nothing_shared
from zobench.core.params import Params
from zobench.core.seeds import fold
from zobench.core.vector import VectorParams
from zobench.errors import BadInput, Unsuitable

Losses = Sequence[float]  # or 0-d tensors, of a problem whose losses stay on their device


class Problem(ABC):
    """A point to improve, and the losses and scores that judge it. Lower is better everywhere."""

    params: Params
    score_name = "loss"  # the entry of `score()` that targets refer to
    scored = "current"  # what reaches a target: the "current" point, or the "best" evaluated one
    stochastic = False  # do losses depend on the seed of the call?
    score_ratio = 1.12  # the current point is scored on a geometric grid of queries, off the clock
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

    def losses_on_device(self, probes: Sequence[Probe], seed: int) -> Losses:
        """`losses`, as 0-d tensors where waiting for numbers would cost time.

        For estimators that only compute with losses, and never look at them (`on_device`).
        """
        return self.losses(probes, seed)

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
    _rows, _more_samples, _more_forwards = 0, 0, 0.0

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

    # A row is one sample and one forward: with one probe per call, counting it twice would show.
    @property
    def samples(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Rows evaluated so far, and what a subclass adds."""
        return self._rows + self._more_samples

    @samples.setter
    def samples(self, value: int) -> None:
        self._more_samples = value - self._rows

    @property
    def forwards(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Rows evaluated so far, and what a subclass adds."""
        return self._rows + self._more_forwards

    @forwards.setter
    def forwards(self, value: float) -> None:
        self._more_forwards = value - self._rows

    def losses(self, probes: Sequence[Probe], seed: int) -> list[float]:
        count, noise = len(probes), self.noise
        points = self.params.rows(probes)
        values = self.f(points if noise is None else points.copy())  # noise may depend on points
        # The usual case is told by three looks: with one probe per call, all this is to take 1 us.
        if type(values) is not ARRAY or values.dtype is not WIDE or values.ndim != 1:
            values = _checked(values, count)
        losses = values.tolist()
        if len(losses) != count:  # of a list: that is cheaper than of an array
            _checked(values, count)
        self._rows += count
        if noise is not None:
            gaps = values - self.minimum
            self.seen = gaps.tolist()
            return (noise(gaps, points, seed) + self.minimum).tolist()
        self.seen = (values - self.minimum).tolist() if self.minimum else losses
        return losses

    def _value(self) -> float:
        return float(_checked(self.f(self.params.flat()[None]), 1)[0])

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
        self._rows += 1
        self.forwards += 2  # a backward pass costs about two more
        self.seen = [loss - self.minimum]
        return loss, [g[b.span] for b in self.params.blocks]


def _checked(values: Any, count: int) -> np.ndarray:
    """`values` in 64 bits: gaps are differences, which narrow types cannot hold.

    Raises ValueError unless they are `count` real numbers.
    """
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
    return np.asarray(values, WIDE)


class InPlaceProblem(Problem):
    """A problem too large to copy its point: a probe moves the point, and moves it back."""

    @abstractmethod
    def loss(self, seed: int) -> float:
        """The loss at the point as it stands, under the noise or minibatch of `seed`."""

    def losses(self, probes: Sequence[Probe], seed: int) -> Losses:
        def loss(k: int, cost: float) -> float:
            self.forwards += cost
            return self.loss(self.probe_seed(seed, k))

        with self.sharing([direction for _, direction in probes]) as next_probe:
            return evaluate_in_place(self.params, probes, loss, next_probe)

    def sharing(self, directions: Sequence[Direction]) -> Sharing:
        """Return the context in which the probes of a call are evaluated.

        A problem whose probes have work in common does that work once in it.

        Args:
            directions: those of the call's probes, in their order.

        Returns:
            A context manager. Its value is called before each probe, and returns the cost of that
            probe in forward passes. By default each costs 1.
        """
        return nothing_shared(directions)

    def probe_seed(self, seed: int, k: int) -> int:
        """Return the seed of the k-th probe of a call: by default `seed`, one minibatch for all."""
        return seed


def seed_per_probe(seed: int, k: int) -> int:
    """Return a seed of its own for each probe of a call: a `probe_seed` for independent noise."""
    return fold(seed, k)
