"""Problems: what an objective returns. A start, losses at probes, and a score off the budget."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from zobench.core.directions import Array, Direction, Noise, Probe
from zobench.core.in_place import Sharing, evaluate_in_place, nothing_shared
from zobench.core.params import Params
from zobench.core.seeds import fold
from zobench.core.vector import VectorParams
from zobench.errors import BadInput, Unsuitable

Losses = Sequence[float]  # or 0-d tensors, of a problem whose losses stay on their device


def _warn_of_seen() -> None:
    text = "Problem.seen goes in zobench 0.4: use probe_scores"
    warnings.warn(text, DeprecationWarning, stacklevel=3)


class Problem(ABC):
    """A point to improve, and the losses and scores that judge it. Lower is better everywhere.

    `zobench.VectorProblem` and `zobench.InPlaceProblem` do most of the work of a subclass.

    Attributes:
        params: the point, as made by `start`.
        score_name: the entry of `score()` that targets refer to.
        scored: which point reaches a target: "current", or "best" of the evaluated ones.
        stochastic: True if losses depend on the seed of the call.
        has_batches: True if that seed only chooses a minibatch, which may be asked for again.
        score_ratio: the current point is scored, off the clock, whenever the number of queries has
            grown by this factor.
        samples: examples, episode steps or rows consumed so far.
        forwards: forward-equivalents so far. A query that reuses work costs less than 1.
        probe_scores: noise-free scores of the points of the last call; None if they would cost
            queries.

    Example:
        >>> class Square(zobench.Problem):
        ...     def start(self, seed):
        ...         self.params = zobench.VectorParams([1.0 + seed])
        ...         return self.params
        ...
        ...     def losses(self, probes, seed):
        ...         return [float(row @ row) for row in self.params.rows(probes)]
        ...
        ...     def score(self):
        ...         return {"loss": float(self.params.x @ self.params.x)}
        >>> problem = Square()
        >>> params = problem.start(2)
        >>> problem.losses([(0.0, zobench.Noise(0))], 0)
        [9.0]
    """

    params: Params
    score_name: str = "loss"
    scored: str = "current"
    stochastic: bool = False
    has_batches: bool = False
    score_ratio: float = 1.12
    samples: int = 0
    forwards: float = 0.0
    probe_scores: Losses | None = None

    @abstractmethod
    def start(self, seed: int) -> Params:
        """Make a starting point, which `losses` and `score` read in place.

        Args:
            seed: of all that is random in the start.

        Returns:
            The point, which the estimator moves.
        """

    @abstractmethod
    def losses(self, probes: Sequence[Probe], seed: int) -> Losses:
        """Evaluate f(x + scale * d) for each probe. The point is where it was afterwards.

        Args:
            probes: pairs (scale, direction).
            seed: of the noise or minibatch, which all probes of a call share.

        Returns:
            One loss per probe, in their order.
        """

    def losses_on_device(self, probes: Sequence[Probe], seed: int) -> Losses:
        """Do the same for estimators that only compute with losses, and never look at them.

        Args:
            probes: pairs (scale, direction).
            seed: of the noise or minibatch, which all probes of a call share.

        Returns:
            One loss per probe. They may be 0-d tensors on a device, for which the host has not
            waited.
        """
        return self.losses(probes, seed)

    @abstractmethod
    def score(self) -> dict[str, float]:
        """Measure the quality of the present point, without noise and off the budget.

        Returns:
            Names and values. One of the names is `score_name`.
        """

    def finish(self) -> dict[str, float]:
        """Measure further scores at the end of a run, such as those of a test split.

        Returns:
            Names and values; by default none.
        """
        return {}

    def gradient(self, seed: int) -> tuple[float, Sequence[Array]]:
        """Compute a gradient at the present point, for first-order references.

        Args:
            seed: of the noise or minibatch.

        Returns:
            The loss, and the flat gradient of each block.

        Raises:
            Unsuitable: the problem has no gradient.
        """
        raise Unsuitable("needs gradients, which this objective does not have")

    def reset_meters(self) -> None:
        """Set the counts of samples and forwards to zero, as at the start of a run."""
        self.samples, self.forwards, self.probe_scores = 0, 0.0, None

    @property
    def seen(self) -> Losses | None:
        """Deprecated name of `probe_scores`."""
        _warn_of_seen()
        return self.probe_scores

    @seen.setter
    def seen(self, scores: Losses | None) -> None:
        _warn_of_seen()
        self.probe_scores = scores

    def warm_up(self) -> None:
        """Evaluate once without counting it, so that caches fill and memory shows."""
        self.losses([(0.0, Noise(0))], 0)
        self.reset_meters()

    def describe(self) -> dict[str, Any]:
        """Describe the problem for the results of a run.

        Returns:
            Facts by name, such as the dimension and the sizes of the groups.
        """
        groups = {
            g.name: sum(self.params.blocks[i].size for i in g.blocks) for g in self.params.groups
        }
        return {"dimension": self.params.size, "groups": groups}


ARRAY, WIDE = np.ndarray, np.dtype(np.float64)
Noisy = Callable[[np.ndarray, np.ndarray, int], np.ndarray]  # (gaps, points, seed) -> noisy gaps


class VectorProblem(Problem):
    """A function of rows, with optional noise on the losses that the estimator sees.

    The score is the gap f(x) - minimum. The arrays that `f` and `gradient` take are copies: a
    function may write to them and store them.

    Args:
        f: takes points, shape (n, d), and returns their values, shape (n,).
        start: takes a NumPy generator, and returns a starting point, shape (d,).
        minimum: f at the optimum.
        shapes: the shapes of the blocks of the point; by default it is one block.
        gradient: takes a point, shape (d,), and returns the gradient there, shape (d,).
        noise: noise(gaps, points, seed) returns the gaps that the estimator sees, shape (n,).
        scored: which point reaches a target: "best" of the evaluated ones, or "current".

    Raises:
        BadInput: the minimum is not a finite number.

    Example:
        >>> problem = zobench.VectorProblem(lambda x: (x**2).sum(1), lambda rng: rng.random(3))
        >>> params = problem.start(0)
        >>> losses = problem.losses([(0.0, zobench.Noise(0))], 0)
        >>> losses[0] == problem.score()["gap"]
        True
    """

    score_name: str = "gap"
    scored: str = "best"
    stochastic: bool
    probe_scores: Losses | None = None
    params: VectorParams
    f: Callable[[np.ndarray], np.ndarray]
    x0: Callable[[np.random.Generator], np.ndarray]
    minimum: float
    shapes: Sequence[tuple[int, ...]]
    noise: Noisy | None
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
            is_finite = math.isfinite(minimum)
        except TypeError:
            is_finite = False
        if not is_finite:
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
        # Three tests find the usual case: with one probe per call, this method should take 1 us.
        if type(values) is not ARRAY or values.dtype is not WIDE or values.ndim != 1:
            values = _checked(values, count)
        losses = values.tolist()
        if len(losses) != count:  # the length of a list takes less time than that of an array
            _checked(values, count)
        self._rows += count
        if noise is not None:
            gaps = values - self.minimum
            self.probe_scores = gaps.tolist()
            return (noise(gaps, points, seed) + self.minimum).tolist()
        self.probe_scores = (values - self.minimum).tolist() if self.minimum else losses
        return losses

    def _value(self) -> float:
        return float(_checked(self.f(self.params.flat()[None]), 1)[0])

    def score(self) -> dict[str, float]:
        value = self._value()
        return {"gap": value - self.minimum, "loss": value}

    def gradient(self, seed: int) -> tuple[float, Sequence[np.ndarray]]:
        if self._gradient is None:
            return super().gradient(seed)
        g = np.array(
            self._gradient(self.params.flat()), np.float64
        )  # a copy: it may be an array that the function uses again
        if g.shape != (self.params.size,):
            raise ValueError(
                f"the gradient must be an array of shape ({self.params.size},), not {g.shape}"
            )
        loss = self._value()
        self._rows += 1
        self.forwards += 2  # a backward pass costs about two more
        self.probe_scores = [loss - self.minimum]
        return loss, [g[b.span] for b in self.params.blocks]


def _checked(values: Any, count: int) -> np.ndarray:
    """Return the values in 64 bits, as gaps are differences, which narrow types cannot hold.

    Raises ValueError unless they are `count` real numbers.
    """
    array = isinstance(values, np.ndarray)
    is_plain = type(values) is np.ndarray  # numpy.ma loads where another kind of array is masked
    is_real = array and values.dtype.kind in "fiu" and (is_plain or not np.ma.is_masked(values))
    if not is_real or np.shape(values) != (count,):
        kind = f"{type(values).__name__} of {values.dtype}" if array else type(values).__name__
        raise ValueError(
            f"f must return one real loss per row, an array of shape ({count},), "
            f"not {kind} of shape {np.shape(values)}"
            + " with masked entries"
            * np.ma.is_masked(values)
        )
    return np.asarray(values, WIDE)


def _at_the_point(method: Callable[[Any], dict[str, float]]) -> Callable[[Any], dict[str, float]]:
    """Wrap a method of an InPlaceProblem: moves that are still due are written before it runs."""

    @wraps(method)
    def at_the_point(self: Any) -> dict[str, float]:
        self.params.flush()
        return method(self)

    return at_the_point


class InPlaceProblem(Problem):
    """A problem too large to copy its point: a probe moves the point, and moves it back.

    A subclass says what moves (`start`), what the loss is (`loss`) and how the point is scored
    (`score`). Before `score` runs, the tensors are brought back from the last probe to the point;
    other code that reads them calls `params.flush()` first.

    Example:
        >>> import torch
        >>> class Layer(zobench.InPlaceProblem):
        ...     def start(self, seed):
        ...         self.weight = torch.ones(3)
        ...         self.params = zobench.TensorParams([("weight", self.weight)])
        ...         return self.params
        ...
        ...     def loss(self, seed):
        ...         return float(self.weight.square().sum())
        ...
        ...     def score(self):
        ...         return {"loss": self.loss(0)}
        >>> problem = Layer()
        >>> params = problem.start(0)
        >>> problem.losses([(0.0, zobench.Noise(0))], 0)
        [3.0]
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let `score` and `finish` of every subclass see the point, not the last probe."""
        super().__init_subclass__(**kwargs)
        for name in ("score", "finish"):
            if name in vars(cls):
                setattr(cls, name, _at_the_point(vars(cls)[name]))

    @abstractmethod
    def loss(self, seed: int) -> float:
        """Evaluate the loss at the present point.

        Args:
            seed: of the noise or minibatch.

        Returns:
            The loss.
        """

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
        """Return the seed of one probe of a call.

        Args:
            seed: of the call.
            k: the index of the probe.

        Returns:
            The seed of its noise or minibatch. By default that of the call: one minibatch for all.
        """
        return seed


def seed_per_probe(seed: int, k: int) -> int:
    """Return a seed of its own for each probe of a call: a `probe_seed` for independent noise."""
    return fold(seed, k)
