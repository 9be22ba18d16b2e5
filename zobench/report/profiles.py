"""Further curves of a report, as CSV files only: profiles of data and performance, restarts."""

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

POINTS = 81  # per curve
WIDEST = 100.0  # ratio of expected queries, in both directions
BEYOND = 2.0  # powers of ten beyond the largest budget, for runs that are restarted


def profiles(
    source: Source, table: pd.DataFrame, seconds: pd.DataFrame, traces: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Return frames by name; none if no problem has a known dimension.

    - data-profiles: over simplex gradients, queries / (d + 1).
    - more-wild: the same, with targets between the start of each instance and the lowest score of
      any estimator.
    - performance-profiles: over ERT / ERT of a `reference`, in each `unit`. In queries, the
      reference is the frozen runs of the suite's leaderboard if there are any, so that a further
      estimator changes no other curve. Otherwise it is the best ranked estimator of this report,
      as always in seconds and memory, which depend on the machine. Memory is that of runs that
      met the target.
    - restarts: over log10(queries / d), of runs that restart until they succeed.

    Args:
        source: the runs and problems.
        table: the run table in queries.
        seconds: the run table in seconds.
        traces: one row per scored point of a run.
    """
    with_dimension = source.problems[source.problems["dimension"].notna()]
    if not len(table) or not len(with_dimension):
        return {}
    k = np.geomspace(
        0.1,
        max(1.0, float((with_dimension["budget"] / (with_dimension["dimension"] + 1)).max())),
        POINTS,
    )
    wild = run_table(source.runs, *more_wild(source.runs, traces, source.problems))
    last = float(np.log10(with_dimension["budget"] / with_dimension["dimension"]).max()) + BEYOND
    frames: dict[str, pd.DataFrame] = {
        "data-profiles": data_profile(table, k),
        "more-wild": data_profile(wild, k),
        "restarts": restart_ecdf(table, last),
    }
    compared = _performance(source, table, seconds)
    return frames | ({"performance-profiles": compared} if len(compared) else {})


def _performance(source: Source, queries: pd.DataFrame, seconds: pd.DataFrame) -> pd.DataFrame:
    """Return the performance profiles in each unit that was measured."""
    best, r, parts = source.ranked[0], np.geomspace(1 / WIDEST, WIDEST, POINTS), []
    peaks = source.runs.set_index("run_key")["peak_memory"].astype(float)
    memory = queries.assign(peak_memory=queries["run_key"].map(peaks))
    tables = (("queries", ratios, queries), ("seconds", ratios, seconds),
              ("memory", memory_ratios, memory))  # fmt: skip
    for unit, ratios_of, table in tables:
        reference: Any = table[table["estimator"] == best]
        name = best
        if unit == "queries" and source.frozen is not None:
            reference = source.frozen
            name = f"{reference['estimator'].iloc[0]} (frozen)"
        profile_rows = ratios_of(table, reference) if len(reference) else reference
        if len(profile_rows):
            parts.append(profile(profile_rows, r).assign(unit=unit, reference=name))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
