"""`zobench.compare` and `zobench.run`: estimators on a suite, from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zobench.errors import BadInput
from zobench.results.files import write_runs
from zobench.results.results import Results
from zobench.running.comparison import Comparison, comparison
from zobench.running.making import Request, Show, make_runs


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
