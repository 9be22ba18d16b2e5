"""The numbers of all figures as data frames, for CSV files."""

from __future__ import annotations

import pandas as pd

from zobench.analysis.ecdf import ecdf
from zobench.analysis.pareto import pareto
from zobench.report.profiles import profiles
from zobench.report.ranks import by_target, over_all
from zobench.report.source import Source
from zobench.report.tuning import tuning_frame

OVERALL = ("chi2", "p_chi2", "f", "p", "difference", "level")
VERSUS_CONTROL = ("holm", "wilcoxon", "effect")
LABELS = ["problem", "group", "dimension", "estimator", "repetition"]


def frames(source: Source) -> dict[str, pd.DataFrame]:
    """Return frames by name.

    These are ecdf, run-lengths, traces, results, ranking, speedups, pareto, tuning, rank tests and
    those of `profiles`.
    """
    frames_by_name, traces = {"results": source.summary}, source.traces()
    if len(source.summary):
        parts = ((which, pareto(source.summary, which)) for which in ("final", "hardest"))
        frames_by_name["pareto"] = pd.concat([part.assign(target=which) for which, part in parts])
    if len(source.runs):
        queries, seconds = (source.tables[unit] for unit in ("queries", "seconds"))
        frames_by_name["ecdf"] = ecdf(queries)
        key = [*LABELS, "target_index", "target"]
        lengths = queries[[*key, "length", "success"]].rename(columns={"length": "queries"})
        frames_by_name["run-lengths"] = lengths.assign(seconds=seconds["length"].to_numpy())
        frames_by_name |= profiles(source, queries, seconds, traces)
        labels = source.runs[["run_key", *LABELS]]
        frames_by_name["traces"] = labels.merge(traces, on="run_key").drop(columns="run_key")
    if source.verdict:
        frames_by_name["speedups"] = _speedups(source)
    if source.verdict and (ranking := source.verdict.ranking):
        columns = ["value", "low", "high", "problems", "runs"]
        rows = [(n, *(getattr(s, c) for c in columns)) for n, s in zip(ranking.names,
                                                                      ranking.scores)]  # fmt: skip
        frames_by_name["ranking"] = pd.DataFrame(rows, columns=pd.Index(["estimator", *columns]))
    if source.tuning:
        frames_by_name["tuning"] = tuning_frame(source.tuning)
    return frames_by_name | _tests(source, traces)


def _tests(source: Source, traces: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the frames mean-ranks, rank-tests (per control) and rank-sum (per target)."""
    mean_ranks, rows, parts = [], [], []
    for test in over_all(source):
        if "why" in test:
            continue
        facts = [test[key] for key in ("name", "problems", "n_problems", *OVERALL)]
        mean_ranks += [(*facts, *row) for row in zip(test["names"], test["ranks"], test["score"])]
        for control, *lists in zip(test["names"], *(test[key] for key in VERSUS_CONTROL)):
            compared = zip(test["names"], *lists)
            rows += [(test["name"], control, *row) for row in compared if row[0] != control]
    for a, b, tests in by_target(source, traces):
        parts.append(tests.assign(a=a, b=b))
    head = ["dimension", "problems", "of", *OVERALL, "estimator", "mean_rank", "log_area"]
    tables = {"mean-ranks": (head, mean_ranks)}
    tables["rank-tests"] = (["dimension", "control", "estimator", *VERSUS_CONTROL], rows)
    frames = {name: pd.DataFrame(r, columns=pd.Index(c)) for name, (c, r) in tables.items() if r}
    return frames | ({"rank-sum": pd.concat(parts)} if parts else {})


def _speedups(source: Source) -> pd.DataFrame:
    assert source.verdict is not None
    columns = ["a", "b", "unit", "speedup", "low", "high", "level"]
    rows = [
        (pair.a, pair.b, unit, s.ratio, s.low, s.high, s.level)
        for pair in source.verdict.pairs
        for unit, s in (("queries", pair.queries), ("seconds", pair.seconds))
    ]
    return pd.DataFrame(rows, columns=pd.Index(columns))
