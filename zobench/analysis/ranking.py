"""More than two estimators in order, by a score that exists whether or not targets were reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from zobench.analysis.common import largest, ran_on
from zobench.analysis.interval import LEVEL
from zobench.analysis.scores import Mean, mean_score, run_scores


@dataclass(frozen=True)
class Ranking:
    """Estimators, best first, with their mean `log_area`, on the problems that all of them ran.

    `problems` of `asked` are common. `left_out`: estimators that ran on too few problems to be
    ranked with the others, and on how many. Empty where nobody ran.
    """

    names: tuple[str, ...]
    scores: tuple[Mean, ...]
    problems: int
    asked: int
    left_out: tuple[tuple[str, int], ...]

    def sentence(self) -> str:
        """The order in words, with intervals.

        The score is the area under the share of targets reached, over log queries.
        """
        if not self.names:
            return "No ranking: there are no runs."
        places = [
            f"{place}. {name} {score.value:.2f} {_interval(score)}"
            for place, (name, score) in enumerate(zip(self.names, self.scores), 1)
        ]
        return (
            "Score, 0 (no target reached) to 1 (all at once): "
            f"{', '.join(places)}, on {self.problems}/{self.asked} problems{self.others()}."
        )

    def others(self) -> str:
        """The end of a sentence: who is not ranked, and on how many problems they ran."""
        told = [f"{name} (ran on {count or 'none'})" for name, count in self.left_out]
        return f"; not ranked: {', '.join(told)}" if told else ""


def rank(table: pd.DataFrame, estimators: Sequence[str], level: float = LEVEL) -> Ranking:
    """Order by mean `log_area` those of `estimators` that make the largest table (`common`).

    `table` from `run_table` in queries.
    """
    of = ran_on(table, estimators)
    asked = set().union(*of.values())
    ranked, common = largest(of)
    left_out = tuple((name, len(of[name])) for name in estimators if name not in ranked)
    if not common:
        return Ranking((), (), 0, len(asked), left_out)
    scores = run_scores(table.loc[table["problem"].isin(list(common))])
    means = {name: mean_score(scores, name, "log_area", level) for name in ranked}
    order = sorted(ranked, key=lambda name: -means[name].value)
    found = tuple(means[name] for name in order)
    return Ranking(tuple(order), found, len(common), len(asked), left_out)


def _interval(score: Mean) -> str:
    if score.low != score.low:
        return "[no interval]"
    return f"[{score.low:.2f}, {score.high:.2f}]"
