"""A search: the trials of one estimator on one group of problems, and their outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from zobench.harness.estimator_spec import EstimatorSpec
from zobench.harness.plan import RunSpec, plan
from zobench.harness.suite import Suite
from zobench.registry import estimators
from zobench.tune.rounds import Round
from zobench.tune.space import at_edge

Costs = dict[int, float]  # trial -> its cost, the best trial first
Reach = tuple[str, int, int]  # a problem, the index of a target, and a trial that reached it


@dataclass(frozen=True)
class Search:
    """The trials of one estimator on one group of problems. Trial 0 has the default settings."""

    estimator: EstimatorSpec
    suite: Suite  # the problems of the group, at their full budgets
    group: str
    goal: str  # a key of `score.GOALS`
    repetitions: int  # of each finalist, per problem
    file: Path
    rounds: list[Round]
    settings: list[dict[str, Any]]  # of each trial
    kept: tuple[tuple[int, ...], ...]  # the trials of each round so far

    @property
    def trials(self) -> int:
        """The number of trials, the defaults aside."""
        return len(self.settings) - 1

    def name(self, trial: int) -> str:
        """Return the name of a trial in the results: "mezo #3"."""
        return f"{self.estimator.text} #{trial}"

    def trial(self, spec: RunSpec) -> int:
        """Return the number of the trial that a run belongs to."""
        return int(spec.estimator.text.rpartition("#")[2])

    @property
    def round(self) -> Round:
        """The last round so far."""
        return self.rounds[len(self.kept) - 1]

    @cached_property
    def runs(self) -> list[RunSpec]:
        """The runs of the last round so far."""
        trials = [
            replace(
                self.estimator,
                text=self.name(trial),
                settings=self.settings[trial],
                settings_from=dict.fromkeys(self.settings[trial], "user"),
            )
            for trial in self.kept[-1]
        ]
        suite = replace(self.suite, problems=self.round.problems)
        return plan(suite, trials, repetitions=self.round.repetitions, baselines=False)

    def next(self, ranked: Sequence[int]) -> Search:
        """Return the search with one more round, of the best trials; the defaults join the last."""
        number = len(self.kept)
        best = tuple(ranked[: self.rounds[number].trials])
        is_last = number == len(self.rounds) - 1
        return replace(self, kept=(*self.kept, (0, *best) if is_last else best))


@dataclass(frozen=True)
class Tuned:
    """The outcome of the rounds of a search so far."""

    search: Search
    costs: tuple[Costs, ...] = ()  # of each round
    queries: int = 0  # made, over all runs
    failed: int = 0  # runs that failed
    reached: frozenset[Reach] = frozenset()
    skipped: str = ""  # the reason if no run could be made; then no file is written

    @property
    def ranked(self) -> list[int]:
        """The trials of the last round, the best first."""
        return list(self.costs[-1])

    @property
    def best(self) -> int:
        """The number of the best trial."""
        return self.ranked[0]

    @property
    def runner_up(self) -> int:
        """The number of the second best trial."""
        return self.ranked[1]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the best trial."""
        return {} if self.skipped else self.search.settings[self.best]

    @property
    def at_edge(self) -> list[str]:
        """Settings in the outer twentieth of their span, which may be too narrow."""
        search = self.search
        return at_edge(estimators[search.estimator.entry], self.settings, search.estimator.settings)
