"""The interface of estimators, and the composition that most of them are."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from zobench.core.directions import Direction
from zobench.core.params import Params
from zobench.core.rules import Rule
from zobench.core.samplers import Sampler
from zobench.core.schedules import EXAMPLE, over, spans_the_run
from zobench.core.schemes import Evaluate, Scheme
from zobench.core.seeds import fold
from zobench.errors import BadInput


class Finished(Exception):  # noqa: N818 - a normal end
    """Raised by an estimator that has no further step to make, with the reason.

    Example:
        >>> from zobench import Finished
        >>> raise Finished("the smallest step is made")
        Traceback (most recent call last):
            ...
        zobench.core.estimator.Finished: the smallest step is made
    """


class Estimator(Protocol):
    """Anything that improves a point by asking for losses.

    Two optional attributes state what it does with losses. `on_device = True`: it computes with
    them and never looks at them, so that they may stay on their device. `ranks = True`: it only
    compares them, so that it goes on where one is NaN or infinite, and gets infinity in its place.
    The runs of all others end there, with status diverged. An optional method `close()` is called
    when the run is over.

    Example:
        >>> import numpy as np
        >>> from zobench import Noise, Oracle, VectorProblem, fold
        >>> class Downhill:  # moves to a probe that is lower
        ...     def start(self, params, seed):
        ...         self.params, self.seed, self.t = params, seed, 0
        ...
        ...     def step(self, evaluate):
        ...         probe = (0.1, Noise(fold(self.seed, self.t)))
        ...         here, there = evaluate([(0.0, probe[1]), probe])
        ...         if there < here:
        ...             self.params.add(*probe)
        ...         self.t += 1
        >>> problem = VectorProblem(lambda x: (x**2).sum(axis=1), lambda rng: np.ones(2))
        >>> estimator = Downhill()
        >>> estimator.start(problem.start(0), 1)
        >>> oracle = Oracle(problem, budget=100, seed=0)
        >>> for _ in range(50):
        ...     estimator.step(oracle)
        >>> problem.score()["gap"] < 0.1
        True
    """

    def start(self, params: Params, seed: int) -> None:
        """Take the point to improve. It is called once, before any step.

        Args:
            params: the point.
            seed: seed of all that is drawn at random.
        """
        ...

    def step(self, evaluate: Evaluate) -> None:
        """Ask for losses, one or more times, then move the point.

        Args:
            evaluate: function from probes to their losses. In a run, `evaluate.budget` is the
                number of queries of the whole run. What it raises ends the run: let it pass.
        """
        ...


@dataclass
class ComposedEstimator:
    """A sampler, a scheme and a rule: draw directions, weigh them by losses, move.

    Args:
        sampler: makes the next direction.
        scheme: asks for losses, and makes a gradient estimate of them.
        rule: moves the point by the estimate.

    Example:
        >>> import numpy as np
        >>> from zobench import ComposedEstimator, Oracle, VectorProblem, rules, samplers, schemes
        >>> problem = VectorProblem(lambda x: (x**2).sum(axis=1), lambda rng: np.ones(2))
        >>> mezo = ComposedEstimator(samplers.gaussian, schemes.Central(1e-3), rules.SGD(0.1))
        >>> mezo.start(problem.start(0), 1)
        >>> oracle = Oracle(problem, budget=100, seed=0)
        >>> for _ in range(50):
        ...     mezo.step(oracle)
        >>> problem.score()["gap"] < 1e-3
        True
    """

    sampler: Sampler
    scheme: Scheme
    rule: Rule

    @property
    def on_device(self) -> bool:
        """True if losses are computed with and never looked at: they may stay on their device."""
        return all(getattr(part, "on_device", False) for part in (self.scheme, self.rule))

    def start(self, params: Params, seed: int) -> None:
        """Take the point to improve.

        Args:
            params: the point.
            seed: seed of all directions.
        """
        self.params: Params = params
        self.seed: int = seed
        self.t: int = 0
        self.drawn: int = 0

    def step(self, evaluate: Evaluate) -> None:
        """Draw directions, ask for losses, and move the point.

        Args:
            evaluate: function from probes to their losses.
        """
        if self.t == 1:  # the first step has shown what a step costs
            fit_schedules((self.scheme, self.rule), evaluate)
        gradient = self.scheme(self.params, evaluate, self._draw, self.t)
        self.rule.apply(self.params, gradient, self.t)
        self.t += 1

    def _draw(self) -> Direction:
        self.drawn += 1
        return self.sampler(self.params, self.t, fold(self.seed, self.drawn), self.seed)


def fit_schedules(parts: Iterable[object], evaluate: Evaluate) -> None:
    """Give schedules that span the whole run its number of steps: budget / queries per step.

    Args:
        parts: objects whose attributes may be schedules.
        evaluate: the function from probes to losses, after the first step.

    Raises:
        BadInput: the number of steps is unknown.
    """
    for part in parts:
        settings: dict[str, Any] = getattr(part, "__dict__", {})
        for name, value in list(settings.items()):
            if spans_the_run(value):
                queries, budget = (getattr(evaluate, n, 0) for n in ("queries", "budget"))
                if not queries:
                    raise BadInput(f"{name}: give the number of steps, as in {EXAMPLE}")
                setattr(part, name, over(value, max(1, budget // queries)))


def __getattr__(name: str) -> Any:
    """Return the class of a name of zobench 0.1, for files written then."""
    if name != "ZerothOrder":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        "zobench.core.estimator.ZerothOrder is now zobench.ComposedEstimator; the old name goes in "
        "zobench 0.4",
        DeprecationWarning,
        stacklevel=2,
    )
    return ComposedEstimator
