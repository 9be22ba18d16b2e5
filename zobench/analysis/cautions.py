"""What the end of runs says against their targets: points that got worse, and test scores."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

BACK = 0.1  # share of its improvement that a run loses before its end, from which it is reported
SURE = 0.9  # share of pairs of runs in which the one is better on test data than the other
TEST_SCORES = {"test_loss": -1, "test_return": 1, "test_accuracy": 1}  # 1: higher is better


@dataclass(frozen=True)
class Rise:
    """An estimator whose current point ended worse than it was on the way: medians over runs.

    Attributes:
        estimator: the estimator.
        queries: the queries at the lowest score.
        low: the lowest score.
        final: the score at the end.
    """

    estimator: str
    queries: float
    low: float
    final: float


def rises(runs: pd.DataFrame, traces: pd.DataFrame) -> list[Rise]:
    """Find the estimators whose score rose again, by more than a tenth of what it had fallen.

    Args:
        runs: the runs of one problem whose current point is scored.
        traces: the traces of these runs; rows of other runs are left out.

    Returns:
        One rise per estimator in which at least half of the runs rose.
    """
    traces = traces.loc[traces["run_key"].isin(list(runs["run_key"]))]
    rows_of: dict[str, list[tuple[float, float, float, bool]]] = {}
    estimator_of = dict(zip(runs["run_key"], runs["estimator"]))
    for key, trace in traces.groupby("run_key", sort=False, observed=True):
        scores, queries = trace["score"].to_numpy(), trace["queries"].to_numpy()
        if not len(scores) or not np.isfinite(scores[[0, -1]]).all():
            continue
        index = int(np.nanargmin(scores))
        first, low, last = float(scores[0]), float(scores[index]), float(scores[-1])
        rose = last - low > BACK * (first - low) and last > low
        rows_of.setdefault(estimator_of[key], []).append((float(queries[index]), low, last, rose))
    result = []
    for estimator, rows in rows_of.items():
        queries_of, lows, lasts, flags = map(np.array, zip(*rows))
        if flags.mean() >= 0.5:
            of = flags.astype(bool)
            result.append(
                Rise(estimator, *(float(np.median(v[of])) for v in (queries_of, lows, lasts)))
            )
    return result


def contradictions(summary: pd.DataFrame, runs: pd.DataFrame) -> list[str]:
    """Return a sentence per problem whose order by targets differs from that on test data."""
    sentences = []
    for problem, rows in summary.groupby("problem", sort=False):
        if sentence := contradiction(rows, runs.loc[runs["problem"] == problem]):
            sentences.append(str(sentence))
    return sentences


@dataclass(frozen=True)
class Contradiction:
    """A problem where the estimator that is first by targets is not first on test data.

    Attributes:
        problem: the problem.
        first: the estimator with the fewest expected queries to the target.
        better: the estimator with the best median test score.
        score: the name of the test score.
        of_first: the median test score of `first`.
        of_better: the median test score of `better`.
    """

    problem: str
    first: str
    better: str
    score: str
    of_first: float
    of_better: float

    def __str__(self) -> str:
        name = self.score.replace("_", " ")
        return (
            f"On {self.problem} the order by {name} is another one: {self.first} is first by the "
            f"target, but {self.better} ends with a better {name} "
            f"({self.of_better:.3g} against {self.of_first:.3g}, medians)."
        )


def contradiction(rows: pd.DataFrame, runs: pd.DataFrame) -> Contradiction | None:
    """Compare the order by the target of a problem with the order on its test data.

    The target is the final one, or the hardest that any run reached.

    Args:
        rows: the rows of the summary of one problem; see `analysis.table`.
        runs: its runs.

    Returns:
        The contradiction, if the estimator with the best median test score beats the first one by
        the target in nine of ten pairs of runs; otherwise None.
    """
    which = "final" if rows["final_successes"].to_numpy().any() else "hardest"
    costs: Any = dict(zip(rows["estimator"], rows[f"{which}_queries"]))
    finite = {name: cost for name, cost in costs.items() if math.isfinite(cost)}
    if not finite:
        return None
    first = min(finite, key=lambda name: finite[name])
    scores = [json.loads(text) for text in runs["scores"]]
    for score, sign in TEST_SCORES.items():
        values: dict[str, list[float]] = {}
        for estimator, of_run in zip(runs["estimator"], scores):
            if math.isfinite(value := of_run.get(score, math.nan)):
                values.setdefault(estimator, []).append(value)
        if first not in values:
            continue
        medians = {name: float(np.median(of)) for name, of in values.items()}
        better = max(medians, key=lambda name: sign * medians[name])
        gaps = sign * np.subtract.outer(values[better], values[first])
        if better == first or (gaps > 0).mean() < SURE:
            return None
        return Contradiction(
            str(rows["problem"].iloc[0]), first, better, score, medians[first], medians[better]
        )
    return None
