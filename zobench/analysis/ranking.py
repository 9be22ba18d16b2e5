"""More than two estimators in order, by a score that exists whether or not targets were reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from zobench.analysis.interval import LEVEL
from zobench.analysis.scores import Mean, mean_score, run_scores


@dataclass(frozen=True)
class Ranking:
    """Estimators, best first, with their mean `log_area`, on the problems that all of them ran.

    `problems` of `asked` are common; `absent` are estimators without a run. Empty without a common
    problem.
    """

    names: tuple[str, ...]
    scores: tuple[Mean, ...]
    problems: int
    asked: int
    absent: tuple[str, ...]

    def sentence(self) -> str:
        """The order in words, with intervals.

        The score is the area under the share of targets reached, over log queries.
        """
        if not self.names:
            return "No ranking: no problem was run by all estimators."
        places = [
            f"{place}. {name} {score.value:.2f} {_interval(score)}"
            for place, (name, score) in enumerate(zip(self.names, self.scores), 1)
        ]
        missing = f"; no runs of {', '.join(self.absent)}" if self.absent else ""
        return (
            "Score, 0 (no target reached) to 1 (all at once): "
            f"{', '.join(places)}, on {self.problems}/{self.asked} problems{missing}."
        )


def rank(table: pd.DataFrame, estimators: Sequence[str], level: float = LEVEL) -> Ranking:
    """Order `estimators` by mean `log_area`; `table` from `run_table` in queries."""
    covered = {name: set(table.loc[table["estimator"] == name, "problem"]) for name in estimators}
    absent = tuple(name for name, problems in covered.items() if not problems)
    present = [name for name in estimators if name not in absent]
    asked = set().union(*covered.values())
    common = set.intersection(*(covered[name] for name in present)) if present else set()
    if not common:
        return Ranking((), (), 0, len(asked), absent)
    scores = run_scores(table.loc[table["problem"].isin(list(common))])
    means = {name: mean_score(scores, name, "log_area", level) for name in present}
    order = sorted(present, key=lambda name: -means[name].value)
    return Ranking(tuple(order), tuple(means[n] for n in order), len(common), len(asked), absent)


def _interval(score: Mean) -> str:
    if score.low != score.low:
        return "[no interval: one run]"
    return f"[{score.low:.2f}, {score.high:.2f}]"
