"""Moré-Wild targets: f <= f_L + tau (f_0 - f_L), for scores whose optimum is unknown.

f_0 is the score of the start, f_L the lowest score of any compared run within its budget
(https://doi.org/10.1137/080724083). So the targets depend on the set of estimators: one estimator
more may change all of them. For leaderboards take the fixed targets of a suite.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from zobench.analysis.frames import PROBLEM_COLUMNS, SKIPPED, require
from zobench.errors import BadInput

TAUS = (1e-1, 1e-3, 1e-5, 1e-7)
TRACE_COLUMNS = ("run_key", "queries", "seconds", "score", "best")
HIT_COLUMNS = ["run_key", "kind", "target_index", "target", "queries", "seconds"]


def more_wild(
    runs: pd.DataFrame, traces: pd.DataFrame, problems: pd.DataFrame, taus: Sequence[float] = TAUS
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute (hits, problems) for `run_table`, with tau in the column `target`.

    Starts and lowest scores are those of an instance (of a repetition, if there are no instances).
    Hits are as fine as traces are: a target counts from the first scored point that meets it. If no
    run is below the start, no target is met.

    Args:
        runs: one row per run.
        traces: one row per scored point of a run.
        problems: one row per target of a problem; the targets are not used.
        taus: values of tau.

    Raises:
        BadInput: a tau is not between 0 and 1.
    """
    require(traces, "traces", TRACE_COLUMNS)
    require(problems, "problems", PROBLEM_COLUMNS)
    order = sorted(dict.fromkeys(float(tau) for tau in taus), reverse=True)
    if not order or not (order[-1] > 0 and order[0] < 1):
        raise BadInput(f"taus lie between 0 and 1, not {', '.join(map(str, taus)) or 'none'}")
    kinds = problems.drop_duplicates("problem").set_index("problem")["kind"].to_dict()
    runs_made = runs.loc[runs["status"] != SKIPPED]
    case = pd.Series(pd.to_numeric(runs_made["instance"])).fillna(-1 - runs_made["repetition"])
    labels = runs_made[["run_key", "problem"]].assign(case=case.to_numpy(float))
    points = traces.merge(labels, on="run_key", sort=False)
    points["kind"] = [kinds.get(problem, "current") for problem in points["problem"]]
    points = points.sort_values(["run_key", "queries"], kind="stable")
    # the start counts as evaluated
    is_best = (points["kind"] == "best") & (points["queries"] > 0)
    points["value"] = np.where(is_best, points["best"], points["score"])
    points["low"] = points.groupby("run_key", sort=False)["value"].cummin()
    rows: list[tuple] = []
    for _, part in points.groupby(["problem", "case"], sort=False):
        starts = part.loc[part["queries"] == 0, "score"].to_numpy(float)
        start = max(starts[np.isfinite(starts)].tolist(), default=np.nan)
        lowest = float(np.nanmin(part["low"].to_numpy(float), initial=np.inf))
        if not lowest < start:
            continue
        for key, run in part.groupby("run_key", sort=False):
            low = run["low"].to_numpy(float)
            for index, tau in enumerate(order):
                hits = np.flatnonzero(low <= lowest + tau * (start - lowest))
                if len(hits):
                    first = run.iloc[hits[0]]
                    spent = (int(first["queries"]), float(first["seconds"]))
                    rows.append((key, first["kind"], index, tau, *spent))
    hits = pd.DataFrame(rows, columns=pd.Index(HIT_COLUMNS))
    described = problems.drop_duplicates("problem").drop(columns=["target_index", "target"])
    levels = pd.DataFrame({"target_index": range(len(order)), "target": order})
    return hits, described.merge(levels, how="cross")
