"""A search: the trials of one estimator on one group of problems, and what came of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from zobench.harness.chosen import EstimatorSpec
from zobench.harness.plan import RunSpec, plan
from zobench.harness.suite import Suite
from zobench.registry import estimators
from zobench.tune.space import narrowed

FIRST = 1000  # the number of the first repetition: its seeds and instances are never scored
FINALISTS = 3  # the best trials, which are run again: the best of many may only have been lucky
AGAIN = 2  # further repetitions of a finalist, for each of those that it was found by


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
    settings: list[dict[str, Any]]  # so far
    finalists: tuple[int, ...] = ()  # trials that have further repetitions, once they are known

    def name(self, trial: int) -> str:
        return f"{self.estimator.text} #{trial}"

    def trial(self, spec: RunSpec) -> int:
        """Which trial a run is of."""
        return int(spec.estimator.text.rpartition("#")[2])

    @cached_property
    def runs(self) -> list[RunSpec]:
        """The runs of the trials so far."""
        named = [
            replace(
                self.estimator,
                text=self.name(trial),
                settings=settings,
                settings_from=dict.fromkeys(settings, "user"),
            )
            for trial, settings in enumerate(self.settings)
        ]
        again = [named[trial] for trial in self.finalists]
        middle = FIRST + self.repetitions
        end = middle + AGAIN * self.repetitions
        return self._planned(named, range(FIRST, middle)) + self._planned(again, range(middle, end))

    def _planned(self, named: list[EstimatorSpec], listed: range) -> list[RunSpec]:
        return plan(self.suite, named, repetitions=listed, budget=self.budget, baselines=False)

    @property
    def seed(self) -> tuple[str, ...]:
        return self.suite.name, self.group

    def narrowed(self, best: int) -> Search:
        """With the second round's trials, about the best of the first."""
        entry, left = estimators[self.estimator.entry], self.trials - len(self.settings)
        fixed = self.estimator.settings
        found = narrowed(entry, self.settings[best], left, fixed, *self.seed)
        return replace(self, settings=self.settings + found)

    def final(self, ranked: Sequence[int]) -> Search:
        """With further repetitions of the best trials; none where there is one trial only."""
        return replace(self, finalists=tuple(ranked[:FINALISTS]) if len(ranked) > 1 else ())


@dataclass(frozen=True)
class Tuned:
    """The outcome: trial 0 is the defaults."""

    search: Search
    ranked: tuple[int, ...]  # the trials, the best first; once there are finalists, these alone
    scores: tuple[float, ...]  # of each trial, in [0, 1]
    failed: int  # runs that failed, over all trials
    skipped: str = ""  # why nothing could be run; then nothing is written

    @property
    def chosen(self) -> int:
        return self.ranked[0]

    @property
    def settings(self) -> dict[str, Any]:
        return {} if self.skipped else self.search.settings[self.chosen]

    @property
    def at_edge(self) -> list[str]:
        """Settings chosen in the outer twentieth of their span: the span may be too narrow."""
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
