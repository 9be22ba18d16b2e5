"""Plan the runs of a request, make those that are missing, and read all of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from zobench.errors import BadInput
from zobench.harness.mending import mend
from zobench.harness.plan import RunSpec, plan
from zobench.harness.suite import DEFAULT_SUITE, Suite
from zobench.harness.suite_file import load
from zobench.results.results import Results, read
from zobench.running.building import check_problems

if TYPE_CHECKING:
    from zobench.harness.pool import Event

Show = Callable[[Sequence[RunSpec], set[str]], AbstractContextManager[Callable[["Event"], None]]]


@dataclass(frozen=True, kw_only=True)
class Request:
    """The runs to make, as the options of `zobench compare` and `zobench run` state them.

    Attributes:
        estimators: estimators as typed.
        suite: the name or file of a suite.
        problems: glob patterns on problem ids; none means all.
        repetitions: runs per estimator and problem. None: as in the suite.
        budget: queries per run. None: as in the suite.
        time_limit: seconds per run. None: as in the suite.
        memory_limit: MiB per run. None: as in the suite.
        jobs: runs at the same time; 0 means one per core.
        out: the results folder. None: results/SUITE.
        fresh: True to set earlier results aside.
        tuned: True to take tuned settings for those that the user did not set.
        baselines: a folder with the user's own tuned settings.
        against: results folders to compare with.
        fail_if_slower: the factor above which an estimator is slower than its stored runs.
        queries_only: True to judge `fail_if_slower` by queries alone.
    """

    estimators: tuple[str, ...]
    suite: str = DEFAULT_SUITE
    problems: tuple[str, ...] = ()
    repetitions: int | None = None
    budget: int | None = None
    time_limit: float | None = None
    memory_limit: float | None = None
    jobs: int = 0
    out: Path | None = None
    fresh: bool = False
    tuned: bool = True
    baselines: Path | None = None
    against: tuple[Path, ...] = ()
    fail_if_slower: float | None = None
    queries_only: bool = False

    def folder(self, suite: Suite) -> Path:
        """Return the results folder: `out`, or the default of the suite."""
        return self.out or Path("results") / suite.name


def make_runs(request: Request, show: Show | None = None, without: Collection[str] = ()) -> Results:
    """Make the runs that the results folder lacks, and read all runs of the request.

    Args:
        request: the runs to make.
        show: `show(specs, keys of the runs made before)` returns a context that gives a callback
            for events; None: no progress is shown.
        without: see `results.results.read`.

    Raises:
        BadInput: the request is wrong.
        Interrupted: on Ctrl-C.
    """
    if not request.estimators:
        raise BadInput("name at least one estimator; `zobench list estimators` shows them")
    check_jobs(request.jobs)
    suite = load(request.suite)
    specs = plan(
        suite.pick(request.problems),
        request.estimators,
        repetitions=request.repetitions,
        budget=request.budget,
        time_limit=request.time_limit,
        memory_limit=request.memory_limit,
        baselines=request.tuned,
        baselines_folder=request.baselines,
    )
    folder = request.folder(suite)
    if request.queries_only and request.fail_if_slower is None:
        raise BadInput("--queries-only goes with --fail-if-slower FACTOR")
    if request.against or request.fail_if_slower is not None:
        from zobench.running.against import check_against, with_stored

        check_against(request.against, request.fail_if_slower, specs, folder)
    notes = [] if request.fresh else mend(folder)
    if request.fresh or not _all_made(specs, folder):
        check_problems(suite, specs)
    notes += _set_aside(folder) if request.fresh else []
    counts = make(specs, folder, request.jobs, show, suite.file)
    resumed = not request.fresh and sum(counts.values()) == counts["resumed"]
    results = read(specs, folder, counts, notes, without, checked=resumed)
    results.suite = suite
    return with_stored(results, request.against) if request.against else results


def check_jobs(jobs: int) -> None:
    """Raise BadInput for a negative number of jobs."""
    if jobs < 0:
        raise BadInput(
            f"jobs is a number of runs at the same time, or 0 for one per core, not {jobs}"
        )


def make(
    specs: Sequence[RunSpec],
    folder: Path,
    jobs: int,
    show: Show | None = None,
    suite_file: str = "",
) -> dict[str, int]:
    """Make the runs that a folder lacks.

    Args:
        specs: the runs.
        folder: the results folder.
        jobs: runs at the same time; 0 means one per core.
        show: see `make_runs`.
        suite_file: the full path of a user's suite; "": none.

    Returns:
        Status -> the number of runs that ended with it; "resumed": those that were made before.

    Raises:
        BadInput: the folder has imported data.
    """
    from zobench.harness.environment import cores
    from zobench.harness.pool import run_all
    from zobench.harness.store import Store

    with Store.open(folder) as store:
        if store.imported():
            raise BadInput(
                f"{folder} holds imported data; make runs elsewhere with --out, and compare them "
                f"with --against {folder}"
            )
        done = store.done([spec.key for spec in specs])
        progress = show(specs, done) if show else nullcontext(lambda event: None)
        with progress as on_event:
            return run_all(specs, store, jobs or cores(), on_event, suite_file)


def _all_made(specs: Sequence[RunSpec], folder: Path) -> bool:
    from zobench.harness.database import NoResults
    from zobench.harness.store import Store

    keys = {spec.key for spec in specs}
    try:
        with Store.open(folder, write=False) as store:
            return store.done(keys) == keys
    except NoResults:
        return False


def _set_aside(folder: Path) -> list[str]:
    """Rename the results file, so that all runs are made again and no earlier one is lost."""
    from zobench.harness.store import FILE, Store

    if not (folder / FILE).exists():
        return []
    with Store.open(folder):  # no process writes, and no data remain in a side file
        pass
    name = f"results-{datetime.now(UTC):%Y%m%d-%H%M%S}.sqlite"
    try:
        (folder / FILE).rename(folder / name)
    except OSError as error:
        raise BadInput(f"cannot set {folder / FILE} aside: {error.strerror}") from error
    return [f"earlier results were set aside as {folder / name}"]
