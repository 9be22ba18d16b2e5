"""A search: the trials of one estimator on one group of problems, and their outcome."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from zobench.harness.estimator_spec import EstimatorSpec
from zobench.harness.plan import RunSpec, plan
from zobench.harness.suite import Suite
from zobench.registry import estimators
from zobench.tune.space import narrowed

FIRST = 1000  # the number of the first repetition: its seeds and instances are never scored
FINALISTS = 3  # the best trials are run again, as the best of many may be so by chance
AGAIN = 2  # further repetitions of a finalist, per repetition of the first rounds


@dataclass(frozen=True)
class Search:
    """The trials of one estimator on one group of problems."""

    estimator: EstimatorSpec
    suite: Suite  # the problems of the group
    group: str
    trials: int  # over both rounds
    repetitions: int
    budget: int | None
    file: Path
    settings: list[dict[str, Any]]  # of each trial so far
    finalists: tuple[int, ...] = ()  # trials with further repetitions; empty before round 3

    def name(self, trial: int) -> str:
        """Return the name of a trial in the results: "mezo #3"."""
        return f"{self.estimator.text} #{trial}"

    def trial(self, spec: RunSpec) -> int:
        """Return the number of the trial that a run belongs to."""
        return int(spec.estimator.text.rpartition("#")[2])

    @cached_property
    def runs(self) -> list[RunSpec]:
        """The runs of the trials so far."""
        trials = [
            replace(
                self.estimator,
                text=self.name(trial),
                settings=settings,
                settings_from=dict.fromkeys(settings, "user"),
            )
            for trial, settings in enumerate(self.settings)
        ]
        finalists = [trials[trial] for trial in self.finalists]
        middle = FIRST + self.repetitions
        end = middle + AGAIN * self.repetitions
        return self._plan(trials, range(FIRST, middle)) + self._plan(finalists, range(middle, end))

    def _plan(self, trials: list[EstimatorSpec], numbers: range) -> list[RunSpec]:
        return plan(self.suite, trials, repetitions=numbers, budget=self.budget, baselines=False)

    @property
    def seed(self) -> tuple[str, ...]:
        """The seed of the trials: the same for every estimator."""
        return self.suite.name, self.group

    def narrowed(self, best: int) -> Search:
        """Return the search with the trials of round 2, around the best trial of round 1."""
        entry, count = estimators[self.estimator.entry], self.trials - len(self.settings)
        fixed = self.estimator.settings
        points = narrowed(entry, self.settings[best], count, fixed, *self.seed)
        return replace(self, settings=self.settings + points)

    def final(self, ranked: Sequence[int]) -> Search:
        """Return the search with further repetitions of the finalists; unchanged for one trial."""
        return replace(self, finalists=tuple(ranked[:FINALISTS]) if len(ranked) > 1 else ())


@dataclass(frozen=True)
class Tuned:
    """The outcome of a search. Trial 0 has the default settings."""

    search: Search
    ranked: tuple[int, ...]  # the trials, the best first; after round 3 the finalists alone
    scores: tuple[float, ...]  # of each trial, in [0, 1]
    failed: int  # runs that failed, over all trials
    skipped: str = ""  # the reason if no run could be made; then no file is written

    @property
    def best(self) -> int:
        """The number of the best trial."""
        return self.ranked[0]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the best trial."""
        return {} if self.skipped else self.search.settings[self.best]

    @property
    def at_edge(self) -> list[str]:
        """Settings in the outer twentieth of their span, which may be too narrow."""
        edge = []
        for key, (low, high, scale) in estimators[self.search.estimator.entry].space.items():
            value = self.settings.get(key)
            if value is None or key in self.search.estimator.settings:
                continue
            if scale == "log":
                low, high, value = math.log(low), math.log(high), math.log(value)
            if not 0.05 <= (value - low) / (high - low) <= 0.95:
                edge.append(key)
        return edge
