"""The cost of a trial, by which trials are ranked: what a verdict or a leaderboard ranks by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from zobench.analysis.frames import Frames

NEVER = 10  # a problem without a success costs at least so many times what a finalist may spend
LEAST = 0.01  # the least share of the way to a target that is told from none
GOALS = {
    "final": (
        "log10 of the expected queries to the final target (queries of all runs / runs that reach "
        "it), mean over problems; a problem on which no run reaches it counts as 10 times the "
        "queries that a finalist may make there, divided by the mean share of the way to it at "
        "the ends of the runs (in targets, interpolated; at least 0.01)"
    ),
    "area": (
        "1 - log_area: 1 - mean over problems, runs and targets of 1 - log(queries)/log(budget); 1 "
        "for a run whose current point ends worse than it began, where that point is what is scored"
    ),
}


def trial_costs(
    frames: Frames, goal: str, whole: Mapping[str, int]
) -> list[tuple[str, float, float]]:
    """Return (trial, cost, tie-breaker) of each trial, the best first; lower is better.

    The tie-breaker, for trials that come equally far, is the mean over problems of the rank of the
    mean final score.

    Args:
        frames: the runs of trials, at one budget per problem; the column `estimator` names the
            trial.
        goal: a key of GOALS, which define the costs.
        whole: problem -> the queries that a finalist may make there, over all of its runs.
    """
    from zobench.analysis.runlengths import run_table

    runs: Any = frames.runs
    table = run_table(runs, frames.hits, frames.problems)
    by_run = _ends(frames)
    if goal == "final":
        by_cell = _expected(table, by_run, frames.problems, whole)
    else:
        by_cell = _missed_area(table, by_run)
    ends = by_run.fillna({"end": math.inf}).groupby(["problem", "estimator"])["end"].mean()
    ties = ends.unstack("problem").rank(method="average").mean(axis=1)
    costs = by_cell.unstack("problem").mean(axis=1).round(12).to_frame("cost").assign(tie=ties)
    order = costs.sort_values(["cost", "tie"], kind="stable")
    return [(str(name), float(row.cost), float(row.tie)) for name, row in order.iterrows()]


def shown(cost: float, goal: str) -> str:
    """Return a cost as text: expected queries, or the area."""
    return f"{1 - cost:.3f}" if goal == "area" else f"{10**cost:,.0f}"


def _ends(frames: Frames) -> Any:
    """Return the runs with `begin`, the score of x0, and `end`, the scored kind of score."""
    runs: Any = frames.runs
    begin = frames.traces.groupby("run_key", observed=True)["score"].first()
    is_best = (runs["scored"] == "best").to_numpy()
    end = np.where(is_best, runs["best_score"].to_numpy(float), runs["final_score"].to_numpy(float))
    return runs.assign(begin=begin.reindex(runs["run_key"]).to_numpy(float), end=end)


def _expected(
    table: pd.DataFrame, by_run: Any, problems: pd.DataFrame, whole: Mapping[str, int]
) -> Any:
    """Return log10 of the expected queries to the final target, by problem and trial."""
    from zobench.analysis.ert import ert
    from zobench.analysis.runlengths import at_targets
    from zobench.analysis.targets import final_targets

    targets = {
        str(name): part.sort_values("target_index")["target"].to_numpy(float)
        for name, part in problems.groupby("problem")
    }
    keys = ["problem", "estimator"]
    final: Any = at_targets(table, final_targets(problems))
    reached = {key: ert(part["length"], part["success"]) for key, part in final.groupby(keys)}

    def cost(part: Any) -> float:
        problem, trial = part.name
        queries = reached.get((problem, trial), math.inf)
        if math.isfinite(queries):
            return math.log10(queries)
        shares = [_share(*pair, targets[problem]) for pair in zip(part["begin"], part["end"])]
        way = max(LEAST, float(np.mean(shares)))
        return math.log10(NEVER * whole[problem] / way)

    return by_run.groupby(keys)[["begin", "end"]].apply(cost)


def _share(begin: float, end: float, targets: np.ndarray) -> float:
    """Return the share of the way from x0 to the final target, on the scale of the targets."""
    if not (math.isfinite(begin) and math.isfinite(end)):
        return 0.0
    ahead = targets[targets < begin]  # those that x0 does not meet
    if not len(ahead):
        return 1.0
    shares = np.arange(len(ahead) + 1) / len(ahead)
    return np.interp(-end, -np.append(begin, ahead), shares).item()


def _missed_area(table: pd.DataFrame, by_run: Any) -> Any:
    """Return 1 - log_area, by problem and trial."""
    from zobench.analysis.scores import run_scores

    keys = ["problem", "estimator", "repetition"]
    areas = by_run.merge(run_scores(table), on=keys, how="left")
    worse = ~(areas["final_score"].to_numpy(float) <= areas["begin"].to_numpy(float))
    areas.loc[worse & (areas["scored"] == "current").to_numpy(), "log_area"] = 0.0
    return 1 - areas.fillna({"log_area": 0.0}).groupby(keys[:2])["log_area"].mean()
