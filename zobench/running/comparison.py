"""Compare estimators: results with their summary and verdict."""

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
    """The results of a comparison, with their summary and verdict.

    Attributes:
        results: the runs, hits, traces and problems, with the columns of runs.csv and hits.csv.
        summary: one row per problem and estimator; `analysis.table` describes the columns.
        details: the verdict with its numbers; None for a single estimator.
        files: the names of the CSV files in the results folder.
        slowdowns: of `fail_if_slower`, one per estimator and measure.
        tables: unit ("queries" or "seconds") -> run lengths, one row per run and target; see
            `analysis.runlengths.run_tables`.

    Example:
        >>> import tempfile, zobench
        >>> result = zobench.compare(
        ...     ["spsa", "random-search"], "smoke", problems=["sphere*"], repetitions=2, jobs=1,
        ...     out=tempfile.mkdtemp(), progress=False,
        ... )
        >>> list(result.summary["estimator"])
        ['spsa', 'random-search']
        >>> result.files
        ['runs.csv', 'hits.csv', 'summary.csv', 'speedups.csv']
        >>> print(result.verdict)
        The final target was reached by spsa alone on sphere-d10 ...
    """

    results: Results
    summary: pd.DataFrame
    details: Verdict | None
    files: list[str]
    slowdowns: list[Slowdown] = field(default_factory=list)
    tables: Mapping[Unit, pd.DataFrame] = field(default_factory=dict, repr=False)

    @property
    def slower(self) -> bool:
        """True if an estimator is significantly slower than its stored runs, by the factor."""
        return any(slowdown.slower for slowdown in self.slowdowns)

    @property
    def unjudged(self) -> bool:
        """True if `fail_if_slower` was given and there are too few runs in every measure."""
        return bool(self.slowdowns) and not any(slowdown.is_judged for slowdown in self.slowdowns)

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
        """The results folder."""
        return self.results.folder

    @property
    def verdict(self) -> str:
        """The verdict in plain words: which estimator is sooner, the factor and its interval."""
        return str(self.details) if self.details else ""

    def __str__(self) -> str:
        return self.verdict


def comparison(request: Request, show: Show | None) -> Comparison:
    """Make the missing runs, compare the estimators and write the CSV files.

    Args:
        request: the runs to make.
        show: see `make_runs`.

    Raises:
        BadInput: the request is wrong.
        Interrupted: on Ctrl-C.
    """
    result = judged(make_runs(request, show))
    pairs = result.details.pairs if result.details else ()
    tables = {"summary": result.summary, "speedups": _speedups(pairs)}
    if request.fail_if_slower is not None:
        from zobench.running.against import slowdowns_of

        result.slowdowns = slowdowns_of(
            result.results, result.tables, request.fail_if_slower, request.queries_only
        )
    result.files = write_runs(result.results) + write_tables(result.results, **tables)
    return result


def judged(results: Results) -> Comparison:
    """Compute the summary and the verdict of results; no run is made and no file written."""
    from zobench.analysis.runlengths import run_tables
    from zobench.analysis.table import summary as summarise
    from zobench.analysis.verdict import verdict

    tables = run_tables(results.runs, large_table(results, "hits"), results.problems)
    present = set(results.runs["estimator"])  # an interrupted comparison lacks some estimators
    names = [name for name in results.names if name in present]
    summary = summarise(results.runs, results.problems, tables)
    details = verdict(results.runs, results.problems, tables, names) if len(names) > 1 else None
    return Comparison(results, summary, details, [], tables=tables)


def _speedups(pairs: Sequence[PairVerdict]) -> pd.DataFrame:
    """One row per pair and unit over all problems (problem empty), then one per problem."""
    import pandas as pd

    columns = ["a", "b", "unit", "problem", "outcome", "speedup", "low", "high", "level"]
    rows = []
    for pair in pairs:
        for unit, s in (("queries", pair.queries), ("seconds", pair.seconds)):
            head = pair.a, pair.b, unit
            rows.append((*head, "", "", s.ratio, s.low, s.high, s.level))
            for p in s.problems:
                rows.append((*head, p.problem, p.outcome, p.ratio, p.low, p.high, s.single_level))
    return pd.DataFrame(rows, columns=pd.Index(columns))
