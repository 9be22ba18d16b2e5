"""`zobench.compare`: estimators on a suite, as data frames and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zobench.api.files import write_runs, write_tables
from zobench.api.frame import Frame
from zobench.api.making import Request, Results, Show, make_runs
from zobench.errors import BadInput

if TYPE_CHECKING:
    from zobench.analysis.slower import Slowdown
    from zobench.analysis.verdict import PairVerdict, Verdict


@dataclass
class Comparison:
    """What came of it. Data frames are described in `harness.tables` and `analysis.table`."""

    results: Results
    summary: Frame
    found: Verdict | None  # None for a single estimator
    files: list[str]  # CSV files written into the results folder
    slowdowns: list[Slowdown] = field(default_factory=list)  # of fail_if_slower

    @property
    def slower(self) -> bool:
        """Is an estimator slower than its stored runs, by the factor asked for and surely?"""
        return any(found.slower for found in self.slowdowns)

    @property
    def unjudged(self) -> bool:
        """Was it asked whether an estimator is slower, and can none of the measures tell?"""
        return bool(self.slowdowns) and not any(found.judged for found in self.slowdowns)

    @property
    def runs(self) -> Frame:
        """One row a run."""
        return self.results.runs

    @property
    def hits(self) -> Frame:
        """One row a target that a run hit."""
        return self.results.hits

    @property
    def traces(self) -> Frame:
        """One row a scored point of a run."""
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


def compare(
    estimators: Sequence[str],
    suite: str | Path = "quick",
    *,
    problems: Sequence[str] = (),
    repetitions: int | None = None,
    budget: int | None = None,
    jobs: int = 0,
    out: str | Path | None = None,
    time_limit: float | None = None,
    memory_limit: float | None = None,
    fresh: bool = False,
    defaults: bool = False,
    baselines: str | Path | None = None,
    against: Sequence[str | Path] = (),
    fail_if_slower: float | None = None,
    queries_only: bool = False,
    progress: bool = True,
) -> Comparison:
    """Run estimators on a suite, or take the runs of an earlier call, and compare them.

    Args:
        estimators: registered names, "name:lr=1e-3,n=4", or "path/to/file.py:Name".
        suite: a suite's name, or the path of a .toml file.
        problems: glob patterns on problem ids; none means all.
        repetitions: runs per estimator and problem. None: as the suite says; so for the limits.
        budget: queries per run.
        jobs: runs at the same time; 0 means one per core.
        out: the results folder, which keeps every run. Default: results/<suite>.
        time_limit: seconds per run.
        memory_limit: MiB per run.
        fresh: set earlier results aside and make all runs anew.
        defaults: ignore tuned settings (baselines).
        baselines: a folder of tuned settings of one's own.
        against: results folders whose runs on the same problems join the comparison.
        fail_if_slower: the factor that `.slowdowns` and `.slower` compare with `against`.
        queries_only: judge `fail_if_slower` by queries alone, not by seconds.
        progress: show the progress on stderr.

    Returns:
        The verdict, the tables and all runs. A failed run does not raise: it is a row of `.runs`.

    Raises:
        BadInput: a name, a setting, a suite or a folder is wrong.
    """
    request = _request(
        estimators, suite, problems, out, baselines,
        repetitions=repetitions, budget=budget, jobs=jobs, time_limit=time_limit,
        memory_limit=memory_limit, fresh=fresh, tuned=not defaults,
        against=tuple(Path(folder) for folder in against), fail_if_slower=fail_if_slower,
        queries_only=queries_only,
    )  # fmt: skip
    return comparison(request, _progress(progress))


def run(
    estimators: Sequence[str],
    suite: str | Path = "quick",
    *,
    problems: Sequence[str] = (),
    repetitions: int | None = None,
    budget: int | None = None,
    jobs: int = 0,
    out: str | Path | None = None,
    time_limit: float | None = None,
    memory_limit: float | None = None,
    fresh: bool = False,
    defaults: bool = False,
    baselines: str | Path | None = None,
    progress: bool = True,
) -> Results:
    """Run estimators on a suite, or take the runs of an earlier call, without a verdict.

    Args: as those of `compare`.

    Returns:
        All runs as data frames: `.runs`, `.hits`, `.traces` and `.problems`.

    Raises:
        BadInput: a name, a setting, a suite or a folder is wrong.
    """
    request = _request(
        estimators, suite, problems, out, baselines,
        repetitions=repetitions, budget=budget, jobs=jobs, time_limit=time_limit,
        memory_limit=memory_limit, fresh=fresh, tuned=not defaults,
    )  # fmt: skip
    results = make_runs(request, _progress(progress))
    write_runs(results)
    return results


def _request(
    estimators: Sequence[str],
    suite: str | Path,
    problems: Sequence[str],
    out: str | Path | None,
    baselines: str | Path | None,
    **others: Any,
) -> Request:
    for what, names in (("estimators", estimators), ("problems", problems)):
        if isinstance(names, str):
            raise BadInput(f"{what} is a list of names, such as [{names!r}]")
    return Request(
        estimators=tuple(estimators),
        suite=str(suite),
        problems=tuple(problems),
        out=Path(out) if out else None,
        baselines=Path(baselines) if baselines else None,
        **others,
    )


def _progress(wanted: bool) -> Show | None:
    if not wanted:
        return None
    from zobench.display.progress import shown

    return shown


def comparison(request: Request, show: Show | None) -> Comparison:
    """Make what is missing, compute, write the CSV files."""
    found = judged(make_runs(request, show))
    pairs = found.found.pairs if found.found else ()
    tables = {"summary": found.summary, "speedups": _speedups(pairs)}
    if request.fail_if_slower is not None:
        from zobench.api.against import slowdowns_of

        found.slowdowns = slowdowns_of(found.results, request.fail_if_slower, request.queries_only)
    found.files = write_runs(found.results) + write_tables(found.results, **tables)
    return found


def judged(results: Results) -> Comparison:
    """The summary and the verdict of results; nothing is run or written."""
    from zobench.analysis.table import summary as summarise
    from zobench.analysis.verdict import verdict

    frames = results.runs, results.hits, results.problems
    there = set(results.runs["estimator"])  # of a stopped comparison, not every estimator's
    names = [name for name in results.names if name in there]
    summary = summarise(*frames)
    found = verdict(*frames, names) if len(names) > 1 else None
    return Comparison(results, summary, found, [])


def _speedups(pairs: Sequence[PairVerdict]) -> Frame:
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
