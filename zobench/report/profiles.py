"""Further curves of a report, as CSV alone: data and performance profiles, restarts, More-Wild."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from zobench.analysis.data_profile import data_profile
from zobench.analysis.more_wild import more_wild
from zobench.analysis.performance_profile import memory_ratios, profile, ratios
from zobench.analysis.restarts import restart_ecdf
from zobench.analysis.runlengths import run_table
from zobench.report.source import Source

POINTS = 81  # of a curve
WIDEST = 100.0  # ratio of expected queries, in both directions
BEYOND = 2.0  # powers of ten after the largest budget, for runs that are restarted


def profiles(
    source: Source, table: pd.DataFrame, seconds: pd.DataFrame, traces: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Name -> frame, of `run_table`s in queries and seconds; none where no dimension is known.

    data-profiles: over simplex gradients, queries / (d + 1). more-wild: the same, with targets
    between each instance's start and the lowest score of any estimator. performance-profiles: over
    ERT / ERT of a `reference`, in each `unit`. In queries that are the frozen runs of the suite's
    leaderboard, at the final targets, where there are any: adding an estimator changes no other
    curve. Else, and in seconds and memory, which are not frozen as they are true of one machine,
    it is the best ranked estimator of this report (memory: that of runs, where the target is met at
    all). restarts: over
    log10(queries / d), of runs that begin anew until they succeed.
    """
    known = source.problems[source.problems["dimension"].notna()]
    if not len(table) or not len(known):
        return {}
    k = np.geomspace(
        0.1, max(1.0, float((known["budget"] / (known["dimension"] + 1)).max())), POINTS
    )
    wild = run_table(source.runs, *more_wild(source.runs, traces, source.problems))
    last = float(np.log10(known["budget"] / known["dimension"]).max()) + BEYOND
    found: dict[str, pd.DataFrame] = {
        "data-profiles": data_profile(table, k),
        "more-wild": data_profile(wild, k),
        "restarts": restart_ecdf(table, last),
    }
    compared = _performance(source, table, seconds)
    return found | ({"performance-profiles": compared} if len(compared) else {})


def _performance(source: Source, queries: pd.DataFrame, seconds: pd.DataFrame) -> pd.DataFrame:
    """Performance profiles in each unit that was measured."""
    best, r, parts = source.ranked[0], np.geomspace(1 / WIDEST, WIDEST, POINTS), []
    peaks = source.runs.set_index("run_key")["peak_memory"].astype(float)
    memory = queries.assign(peak_memory=queries["run_key"].map(peaks))
    tables = (("queries", ratios, queries), ("seconds", ratios, seconds),
              ("memory", memory_ratios, memory))  # fmt: skip
    for unit, over, table in tables:
        reference: Any = table[table["estimator"] == best]
        name = best
        if unit == "queries" and source.frozen is not None:
            reference = source.frozen
            name = f"{reference['estimator'].iloc[0]} (frozen)"
        found = over(table, reference) if len(reference) else reference
        if len(found):
            parts.append(profile(found, r).assign(unit=unit, reference=name))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
