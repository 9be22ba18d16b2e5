"""What tuning maximises: the area under the share of targets reached, over log queries.

A run that reaches target k after q_k of B queries scores

    mean over targets of 1 - log q_k / log B,    0 for a target it does not reach,

which is 1 minus the mean position of the hits on a log axis from the first query to the budget:
sooner is better at every target, and no single target decides. Trials with equal scores (none
reaches a target, say) are ordered by the rank of their final scores.
"""

from __future__ import annotations

import math

import numpy as np

from zobench.api.frame import Frame

DEFINITION = "mean over runs and targets of 1 - log(queries to target)/log(budget), 0 if missed"


def progress(runs: Frame, hits: Frame, problems: Frame) -> Frame:
    """The score of each run in [0, 1], by run_key; all arguments as the store gives them."""
    budgets = problems.groupby("problem")["budget"].first()
    counts = problems.groupby("problem")["target_index"].nunique()
    known = runs[["run_key", "problem", "scored"]]
    joined = hits.merge(known, on="run_key")
    joined = joined[joined["kind"] == joined["scored"]]
    budget = joined["problem"].map(budgets).to_numpy(float)
    queries = np.maximum(joined["queries"].to_numpy(float), 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(budget > 1, 1.0 - np.log(queries) / np.log(budget), 0.0)
    sums = joined.assign(gain=gain).groupby("run_key")["gain"].sum()
    known = known.set_index("run_key")["problem"]
    shares = sums.reindex(known.index, fill_value=0.0) / known.map(counts)
    return shares.rename("progress")


def trial_scores(runs: Frame, hits: Frame, problems: Frame) -> list[tuple[str, float, float]]:
    """(display name, score, tie-breaker) of each trial, the best first; `estimator` is the trial.

    The score averages runs within a problem, then problems. The tie-breaker is the mean over
    problems of the rank of the mean final score: a lower one is better.
    """
    shares = runs.assign(progress=runs["run_key"].map(progress(runs, hits, problems)))
    by_problem = shares.groupby(["estimator", "problem"])["progress"].mean().unstack()
    worst = shares.assign(final=shares["final_score"].fillna(math.inf))
    final = worst.groupby(["estimator", "problem"])["final"].mean().unstack()
    ties = final.rank(method="average").mean(axis=1)
    table = by_problem.mean(axis=1).round(12).to_frame("score").assign(tie=ties)
    order = table.sort_values(["score", "tie"], ascending=[False, True], kind="stable")
    return [(str(name), float(row.score), float(row.tie)) for name, row in order.iterrows()]
