"""A comparison: results with their summary and verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from zobench.results.files import write_runs, write_tables
from zobench.results.results import Results, large_table
from zobench.running.making import Request, Show, make_runs

if TYPE_CHECKING:
    import pandas as pd

    from zobench.analysis.runlengths import Unit
    from zobench.analysis.slower import Slowdown
    from zobench.analysis.verdict import PairVerdict, Verdict


@dataclass
class Comparison:
    """What came of it. Data frames are described in `harness.tables` and `analysis.table`."""

    results: Results
    summary: pd.DataFrame
    found: Verdict | None  # None for a single estimator
    files: list[str]  # CSV files written into the results folder
    slowdowns: list[Slowdown] = field(default_factory=list)  # of fail_if_slower
    tables: Mapping[Unit, pd.DataFrame] = field(default_factory=dict, repr=False)  # `run_tables`

    @property
    def slower(self) -> bool:
        """Is an estimator slower than its stored runs, by the factor asked for and surely?"""
        return any(found.slower for found in self.slowdowns)

    @property
    def unjudged(self) -> bool:
        """Was it asked whether an estimator is slower, and can none of the measures tell?"""
        return bool(self.slowdowns) and not any(found.judged for found in self.slowdowns)

    @property
    def runs(self) -> pd.DataFrame:
        """One row per run."""
        return self.results.runs

    @property
    def hits(self) -> pd.DataFrame:
        """One row per target that a run hit."""
        return self.results.hits

    @property
    def traces(self) -> pd.DataFrame:
        """One row per scored point of a run."""
        return self.results.traces

    @property
    def folder(self) -> Path:
        """Where the results are kept."""
        return self.results.folder

    @property
    def verdict(self) -> str:
        """Who is sooner, by how much, and how sure that is, in plain words."""
        return str(self.found) if self.found else ""

    def __str__(self) -> str:
        return self.verdict


def comparison(request: Request, show: Show | None) -> Comparison:
    """Make what is missing, compute, write the CSV files."""
    found = judged(make_runs(request, show))
    pairs = found.found.pairs if found.found else ()
    tables = {"summary": found.summary, "speedups": _speedups(pairs)}
    if request.fail_if_slower is not None:
        from zobench.running.against import slowdowns_of

        found.slowdowns = slowdowns_of(
            found.results, found.tables, request.fail_if_slower, request.queries_only
        )
    found.files = write_runs(found.results) + write_tables(found.results, **tables)
    return found


def judged(results: Results) -> Comparison:
    """The summary and the verdict of results; nothing is run or written."""
    from zobench.analysis.runlengths import run_tables
    from zobench.analysis.table import summary as summarise
    from zobench.analysis.verdict import verdict

    tables = run_tables(results.runs, large_table(results, "hits"), results.problems)
    there = set(results.runs["estimator"])  # of a stopped comparison, not every estimator's
    names = [name for name in results.names if name in there]
    summary = summarise(results.runs, results.problems, tables)
    pairs = verdict(results.runs, results.problems, tables, names) if len(names) > 1 else None
    return Comparison(results, summary, pairs, [], tables=tables)


def _speedups(pairs: Sequence[PairVerdict]) -> pd.DataFrame:
    """Rows for each pair at the final targets: over all problems (problem empty), then each."""
    import pandas as pd

    columns = ["a", "b", "unit", "problem", "outcome", "speedup", "low", "high", "level"]
    rows = []
    for pair in pairs:
        for unit, s in (("queries", pair.queries), ("seconds", pair.seconds)):
            head = pair.a, pair.b, unit
            rows.append((*head, "", "", s.ratio, s.low, s.high, s.level))
            for p in s.problems:
                rows.append((*head, p.problem, p.outcome, p.ratio, p.low, p.high, s.each))
    return pd.DataFrame(rows, columns=pd.Index(columns))
