"""The score of a trial: `log_area` of `zobench.analysis.scores`, ties broken by final scores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zobench.analysis.frames import Frames

DEFINITION = (
    "log_area: mean over problems, runs and targets of 1 - log(queries)/log(budget); "
    "0 for a run whose current point ends worse than it began, where that point is what is scored"
)


def trial_scores(frames: Frames) -> list[tuple[str, float, float]]:
    """Return (estimator, score in [0, 1], tie-breaker) of each trial, the best first.

    The column `estimator` of the runs names the trial. The score is the
    mean over problems of the mean over runs. A skipped run scores 0, and so does a run that
    reaches targets and then diverges. The tie-breaker, for trials that reach no target, is the
    mean over problems of the rank of the mean final score; lower is better.
    """
    from zobench.analysis.runlengths import run_table
    from zobench.analysis.scores import run_scores

    runs: Any = frames.runs
    scored = run_scores(run_table(runs, frames.hits, frames.problems))
    keys = ["problem", "estimator", "repetition"]
    shares = runs[[*keys, "final_score"]].merge(scored, on=keys, how="left")
    start = frames.traces.groupby("run_key", observed=True)["score"].first()
    worse = ~(runs["final_score"].to_numpy() <= start.reindex(runs["run_key"]).to_numpy())
    shares.loc[worse & (runs["scored"] == "current").to_numpy(), "log_area"] = 0.0
    by_cell: Any = shares.fillna({"log_area": 0.0, "final_score": math.inf}).groupby(keys[:2])
    by_problem = by_cell[["log_area", "final_score"]].mean().unstack("problem")
    ties = by_problem["final_score"].rank(method="average").mean(axis=1)
    table = by_problem["log_area"].mean(axis=1).round(12).to_frame("score").assign(tie=ties)
    order = table.sort_values(["score", "tie"], ascending=[False, True], kind="stable")
    return [(str(name), float(row.score), float(row.tie)) for name, row in order.iterrows()]
