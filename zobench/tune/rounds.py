"""Rounds of a search: successive halving over budget, problems and repetitions.

The first round has all trials at a small part of the effort. Each later round keeps an eighth of
them and spends as many queries, so eight times as many on each trial (Jamieson & Talwalkar, 2016,
https://arxiv.org/abs/1502.07943). The last round has the finalists, at the full budget on all
problems.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from zobench.harness.suite import ProblemSpec

FACTOR = 8  # a round keeps one trial in so many; with few rounds, few decisions are of short runs
# Trials of the last round, beside the defaults. Short runs prefer settings that are fast at first,
# so that several need the full budget.
FINALISTS = 4
SHORTEST = 1 / 16  # the least share of a budget: shorter runs say little about whole ones
SHORT = 1 / 4  # the share of a budget below which a round has fewer problems instead
FIRST = 1000  # the number of the first repetition: its seeds and instances are never scored


@dataclass(frozen=True)
class Round:
    """The runs that each trial of a round makes.

    Attributes:
        trials: the number of trials, the defaults aside.
        problems: the problems, with the budget of this round.
        repetitions: numbers of the repetitions, which no other round has.
    """

    trials: int
    problems: tuple[ProblemSpec, ...]
    repetitions: range

    @property
    def queries(self) -> int:
        """The queries that each trial may make."""
        return len(self.repetitions) * sum(p.budget for p in self.problems)


def rounds(trials: int, repetitions: int, problems: Sequence[ProblemSpec]) -> list[Round]:
    """Return the rounds of a search, the same for every estimator.

    Args:
        trials: the number of trials of the first round.
        repetitions: runs of each finalist on each problem.
        problems: the problems, with their full budgets.

    Returns:
        The rounds; a single one if no trial can be dropped.
    """
    counts = [trials]
    while counts[-1] > FINALISTS:
        counts.append(max(FINALISTS, -(-counts[-1] // FACTOR)))
    made, first = [], FIRST
    for count in counts:
        effort = repetitions * FINALISTS / count if count > FINALISTS else repetitions
        chosen, times = _within(effort, problems)
        made.append(Round(count, chosen, range(first, first + times)))
        first += times
    return made


def _within(effort: float, problems: Sequence[ProblemSpec]) -> tuple[tuple[ProblemSpec, ...], int]:
    """Return the problems of a trial with their budgets, and the repetitions.

    Args:
        effort: runs per problem, at the full budget; below 1 the budget is cut, down to a quarter,
            then the number of problems, and the budget again where one problem is left.
        problems: all problems.
    """
    if effort >= 1:
        return tuple(problems), int(effort)
    share, total = max(effort, SHORT), len(problems)
    count = max(1, int(total * effort / share))
    share = min(1.0, max(SHORTEST, effort * total / count))
    spread = [problems[int((i + 0.5) * total / count)] for i in range(count)]
    return tuple(replace(p, budget=max(1, round(p.budget * share))) for p in spread), 1
