"""The numbers of every figure as data frames, for CSV files beside a page."""

from __future__ import annotations

import pandas as pd

from zobench.analysis.ecdf import ecdf
from zobench.analysis.pareto import pareto
from zobench.report.profiles import profiles
from zobench.report.ranks import by_target, over_all
from zobench.report.source import Source

OVERALL = ("chi2", "p_chi2", "f", "p", "difference", "level")
AGAINST = ("holm", "wilcoxon", "effect")
NAMED = ["problem", "group", "dimension", "estimator", "repetition"]


def frames(source: Source) -> dict[str, pd.DataFrame]:
    """Name -> frame: ecdf, run-lengths, traces, results, ranking, speedups, pareto, rank tests.

    `profiles` adds further ones.
    """
    found, traces = {"results": source.summary}, source.traces()
    if len(source.summary):
        both = ((which, pareto(source.summary, which)) for which in ("final", "hardest"))
        found["pareto"] = pd.concat([part.assign(target=which) for which, part in both])
    if len(source.runs):
        queries, seconds = (source.tables[unit] for unit in ("queries", "seconds"))
        found["ecdf"] = ecdf(queries)
        key = [*NAMED, "target_index", "target"]
        lengths = queries[[*key, "length", "success"]].rename(columns={"length": "queries"})
        found["run-lengths"] = lengths.assign(seconds=seconds["length"].to_numpy())
        found |= profiles(source, queries, seconds, traces)
        named = source.runs[["run_key", *NAMED]]
        found["traces"] = named.merge(traces, on="run_key").drop(columns="run_key")
    if source.verdict:
        found["speedups"] = _speedups(source)
    if source.verdict and (ranking := source.verdict.ranking):
        columns = ["value", "low", "high", "problems", "runs"]
        rows = [(n, *(getattr(s, c) for c in columns)) for n, s in zip(ranking.names,
                                                                      ranking.scores)]  # fmt: skip
        found["ranking"] = pd.DataFrame(rows, columns=pd.Index(["estimator", *columns]))
    return found | _tests(source, traces)


def _tests(source: Source, traces: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """mean-ranks and their tests against every control, rank-sum tests by target."""
    whole, rows, parts = [], [], []
    for test in over_all(source):
        if "why" in test:
            continue
        of = [test[key] for key in ("name", "problems", "asked", *OVERALL)]
        whole += [(*of, *row) for row in zip(test["names"], test["ranks"], test["score"])]
        for control, *lists in zip(test["names"], *(test[key] for key in AGAINST)):
            compared = zip(test["names"], *lists)
            rows += [(test["name"], control, *row) for row in compared if row[0] != control]
    for a, b, tests in by_target(source, traces):
        parts.append(tests.assign(a=a, b=b))
    head = ["dimension", "problems", "of", *OVERALL, "estimator", "mean_rank", "log_area"]
    found = {"mean-ranks": (head, whole)}
    found["rank-tests"] = (["dimension", "control", "estimator", *AGAINST], rows)
    frames = {name: pd.DataFrame(r, columns=pd.Index(c)) for name, (c, r) in found.items() if r}
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
