"""The numbers of every figure as data frames, for CSV files beside a page."""

from __future__ import annotations

import pandas as pd

from zobench.analysis.ecdf import ecdf
from zobench.analysis.runlengths import run_table
from zobench.report.source import Frame, Source

NAMED = ["problem", "group", "dimension", "estimator", "repetition"]


def frames(source: Source) -> dict[str, pd.DataFrame]:
    """Name -> frame: ecdf, run-lengths, traces, results, ranking, speedups."""
    found = {"results": source.summary}
    if len(source.runs):
        tables = source.runs, source.hits, source.problems
        queries: Frame = run_table(*tables, "queries")
        seconds = run_table(*tables, "seconds")
        found["ecdf"] = ecdf(queries)
        key = [*NAMED, "target_index", "target"]
        lengths = queries[[*key, "length", "success"]].rename(columns={"length": "queries"})
        found["run-lengths"] = lengths.assign(seconds=seconds["length"].to_numpy())
        named = source.runs[["run_key", *NAMED]]
        found["traces"] = named.merge(source.traces, on="run_key").drop(columns="run_key")
    if source.verdict:
        found["speedups"] = _speedups(source)
    if source.verdict and (ranking := source.verdict.ranking):
        columns = ["value", "low", "high", "problems", "runs"]
        rows = [(n, *(getattr(s, c) for c in columns)) for n, s in zip(ranking.names,
                                                                      ranking.scores)]  # fmt: skip
        found["ranking"] = pd.DataFrame(rows, columns=pd.Index(["estimator", *columns]))
    return found


def _speedups(source: Source) -> pd.DataFrame:
    assert source.verdict is not None
    columns = ["a", "b", "unit", "speedup", "low", "high", "level"]
    rows = [
        (pair.a, pair.b, unit, s.ratio, s.low, s.high, s.level)
        for pair in source.verdict.pairs
        for unit, s in (("queries", pair.queries), ("seconds", pair.seconds))
    ]
    return pd.DataFrame(rows, columns=pd.Index(columns))
