"""`zobench.compare` and `zobench.run`: estimators on a suite, from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zobench.errors import BadInput
from zobench.harness.suite import DEFAULT_SUITE
from zobench.results.files import write_runs
from zobench.results.results import Results
from zobench.running.comparison import Comparison, comparison
from zobench.running.making import Request, Show, make_runs


def compare(
    estimators: Sequence[str],
    suite: str | Path = DEFAULT_SUITE,
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
    """Run estimators on a suite and compare them. Runs in the results folder are not made again.

    Args:
        estimators: entries such as "mezo", with settings as in "mezo:lr=1e-3,n=4", or
            "path/to/file.py:Name".
        suite: the name of a suite, or the path of a .toml file.
        problems: glob patterns on problem ids; none means all.
        repetitions: runs per estimator and problem. None: as in the suite.
        budget: queries per run. None: as in the suite.
        jobs: runs at the same time; 0 means one per core.
        out: the results folder, where every run is stored. Default: results/<suite>.
        time_limit: seconds per run. None: as in the suite.
        memory_limit: MiB per run. None: as in the suite.
        fresh: set earlier results aside and make all runs again.
        defaults: ignore tuned settings (baselines).
        baselines: a folder with your own tuned settings.
        against: results folders whose runs on the same problems join the comparison.
        fail_if_slower: the factor above which an estimator counts as slower than its runs in
            `against`; see `.slowdowns` and `.slower` of the result.
        queries_only: judge `fail_if_slower` by queries alone, not by seconds.
        progress: show the progress on stderr.

    Returns:
        The verdict, the tables and all runs. A failed run does not raise: it is a row of `.runs`.

    Raises:
        BadInput: a name, a setting, a suite or a folder is wrong.

    Example:
        >>> import tempfile, zobench
        >>> folder = tempfile.mkdtemp()
        >>> result = zobench.compare(
        ...     ["spsa", "random-search"], "smoke", problems=["sphere*"], repetitions=2,
        ...     jobs=1, out=folder, progress=False,
        ... )
        >>> sorted(result.runs["status"].unique()), len(result.runs)
        (['budget', 'target'], 4)
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
    suite: str | Path = DEFAULT_SUITE,
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
    """Run estimators on a suite, without a verdict. Runs in the results folder are not made again.

    Args:
        estimators: entries such as "mezo", with settings as in "mezo:lr=1e-3,n=4", or
            "path/to/file.py:Name".
        suite: the name of a suite, or the path of a .toml file.
        problems: glob patterns on problem ids; none means all.
        repetitions: runs per estimator and problem. None: as in the suite.
        budget: queries per run. None: as in the suite.
        jobs: runs at the same time; 0 means one per core.
        out: the results folder, where every run is stored. Default: results/<suite>.
        time_limit: seconds per run. None: as in the suite.
        memory_limit: MiB per run. None: as in the suite.
        fresh: set earlier results aside and make all runs again.
        defaults: ignore tuned settings (baselines).
        baselines: a folder with your own tuned settings.
        progress: show the progress on stderr.

    Returns:
        All runs as data frames: `.runs`, `.hits`, `.traces` and `.problems`.

    Raises:
        BadInput: a name, a setting, a suite or a folder is wrong.

    Example:
        >>> import tempfile, zobench
        >>> folder = tempfile.mkdtemp()
        >>> results = zobench.run(
        ...     ["spsa"], "smoke", problems=["sphere*"], repetitions=2, jobs=1, out=folder,
        ...     progress=False,
        ... )
        >>> list(results.runs["repetition"])
        [0, 1]
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
    for argument, names in (("estimators", estimators), ("problems", problems)):
        if isinstance(names, str):
            raise BadInput(f"{argument} is a list of names, such as [{names!r}]")
    return Request(
        estimators=tuple(estimators),
        suite=str(suite),
        problems=tuple(problems),
        out=Path(out) if out else None,
        baselines=Path(baselines) if baselines else None,
        **others,
    )


def _progress(show: bool) -> Show | None:
    if not show:
        return None
    from zobench.display.progress import progress_display

    return progress_display
