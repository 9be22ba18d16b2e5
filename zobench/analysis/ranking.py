"""Rank estimators by a score that exists whether or not targets were reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from zobench.analysis.common import largest, ran_on
from zobench.analysis.interval import LEVEL
from zobench.analysis.scores import Mean, mean_score, run_scores


@dataclass(frozen=True)
class Ranking:
    """Estimators in order of their mean `log_area`, on the problems that all of them ran.

    Attributes:
        names: the estimators, the best first; empty without runs.
        scores: their mean scores.
        problems: the number of problems that all of them ran.
        n_all_problems: the number of problems that any estimator ran.
        left_out: estimators that are not ranked, since they ran on too few problems; and on how
            many.
    """

    names: tuple[str, ...]
    scores: tuple[Mean, ...]
    problems: int
    n_all_problems: int
    left_out: tuple[tuple[str, int], ...]

    def sentence(self) -> str:
        """Return the order in words, with intervals.

        The area is that under the share of targets reached, over log queries.
        """
        if not self.names:
            return "No ranking: there are no runs."
        ranks = [
            f"{rank}. {name} {score.value:.2f} {_interval(score)}"
            for rank, (name, score) in enumerate(zip(self.names, self.scores), 1)
        ]
        return (
            "Area, 0 (no target reached) to 1 (all at once): "
            f"{', '.join(ranks)}, on {self.problems}/{self.n_all_problems} "
            f"problems{self.left_out_text()}."
        )

    def left_out_text(self) -> str:
        """Return the end of a sentence: estimators not ranked, and their numbers of problems."""
        names = [f"{name} (ran on {count or 'none'})" for name, count in self.left_out]
        return f"; not ranked: {', '.join(names)}" if names else ""


def rank(table: pd.DataFrame, estimators: Sequence[str], level: float = LEVEL) -> Ranking:
    """Rank the estimators that make the largest table (see `common`) by mean `log_area`.

    Args:
        table: a `run_table` in queries.
        estimators: the estimators.
        level: of the intervals.
    """
    problems_of = ran_on(table, estimators)
    all_problems = set().union(*problems_of.values())
    ranked, common = largest(problems_of)
    left_out = tuple((name, len(problems_of[name])) for name in estimators if name not in ranked)
    if not common:
        return Ranking((), (), 0, len(all_problems), left_out)
    scores = run_scores(table.loc[table["problem"].isin(list(common))])
    means = {name: mean_score(scores, name, "log_area", level) for name in ranked}
    order = sorted(ranked, key=lambda name: -means[name].value)
    means_in_order = tuple(means[name] for name in order)
    return Ranking(tuple(order), means_in_order, len(common), len(all_problems), left_out)


def _interval(score: Mean) -> str:
    if score.low != score.low:
        return "[no interval]"
    return f"[{score.low:.2f}, {score.high:.2f}]"
