"""The one interface the harness knows, and the composition that most estimators are."""

from __future__ import annotations

import warnings
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
    """Raised by an estimator that has no further step to make, with the reason."""


class Estimator(Protocol):
    """Anything that improves a point by asking for losses.

    Two optional attributes say what it does with losses. `on_device = True`: it computes with them
    and never looks at them, so that they may stay on their device. `ranks = True`: it only asks
    which of two is lower, so that it goes on where one is NaN or infinite, and is told infinity.
    The runs of all others end there, with status diverged. A method `close()`, where it has one, is
    called when the run is over.
    """

    def start(self, params: Params, seed: int) -> None:
        """Take the point to improve. Called once, before any step."""
        ...

    def step(self, evaluate: Evaluate) -> None:
        """Ask for losses, as often as it takes, then move the point.

        In a run, `evaluate.budget` is the number of queries that it may make in all. What evaluate
        raises ends the run: let it pass.
        """
        ...


@dataclass
class ComposedEstimator:
    """sampler x scheme x rule: draw directions, weigh them by losses, move."""

    sampler: Sampler
    scheme: Scheme
    rule: Rule

    @property
    def on_device(self) -> bool:
        """Are losses only computed with, never looked at? Then they may stay on their device."""
        return all(getattr(part, "on_device", False) for part in (self.scheme, self.rule))

    def start(self, params: Params, seed: int) -> None:
        self.params, self.seed = params, seed
        self.t = self.drawn = 0

    def step(self, evaluate: Evaluate) -> None:
        if self.t == 1:  # the first step has shown what a step costs
            self._fit(evaluate)
        gradient = self.scheme(self.params, evaluate, self._draw, self.t)
        self.rule.apply(self.params, gradient, self.t)
        self.t += 1

    def _fit(self, evaluate: Evaluate) -> None:
        """Give schedules that span the whole run its number of steps: budget / queries per step."""
        for part in (self.scheme, self.rule):
            settings: dict[str, Any] = getattr(part, "__dict__", {})
            for name, value in list(settings.items()):
                if spans_the_run(value):
                    each, budget = (getattr(evaluate, fact, 0) for fact in ("queries", "budget"))
                    if not each:
                        raise BadInput(f"{name}: give the number of steps, as in {EXAMPLE}")
                    setattr(part, name, over(value, max(1, budget // each)))

    def _draw(self) -> Direction:
        self.drawn += 1
        return self.sampler(self.params, self.t, fold(self.seed, self.drawn), self.seed)


def __getattr__(name: str) -> Any:
    """The class by its name of zobench 0.1, for files written then."""
    if name != "ZerothOrder":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        "zobench.core.estimator.ZerothOrder is now zobench.ComposedEstimator; the old name goes in "
        "zobench 0.4",
        DeprecationWarning,
        stacklevel=2,
    )
    return ComposedEstimator
