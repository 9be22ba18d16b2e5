"""From what a user asks for to results: plan, make what is missing, read what there is."""

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
from zobench.harness.suite import Suite
from zobench.harness.suite_file import load
from zobench.results.results import Results, read
from zobench.running.building import check_problems

if TYPE_CHECKING:
    from zobench.harness.pool import Event

Show = Callable[[Sequence[RunSpec], set[str]], AbstractContextManager[Callable[["Event"], None]]]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to run. None: as the suite says."""

    estimators: tuple[str, ...]
    suite: str = "quick"
    problems: tuple[str, ...] = ()  # globs on problem ids; none: all
    repetitions: int | None = None
    budget: int | None = None  # queries a run
    time_limit: float | None = None  # seconds a run
    memory_limit: float | None = None  # MiB a run
    jobs: int = 0  # runs at the same time; 0: one a core
    out: Path | None = None  # the results folder; None: results/<suite>
    fresh: bool = False  # set earlier results aside
    tuned: bool = True  # take tuned settings where the user gave none
    baselines: Path | None = None  # a folder of tuned settings of the user's own
    against: tuple[Path, ...] = ()  # results folders to compare with
    fail_if_slower: float | None = None  # than those, by this factor
    queries_only: bool = False  # slower in queries, not in seconds

    def folder(self, suite: Suite) -> Path:
        return self.out or Path("results") / suite.name


def make_runs(request: Request, show: Show | None = None, without: Collection[str] = ()) -> Results:
    """Make the runs that the results folder lacks; read all that were asked for, see `read`.

    `show(specs, keys made before)` is a context that gives a callback for events.
    Raises BadInput, and Interrupted on Ctrl-C.
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
    """Raises BadInput for a number of jobs that cannot be."""
    if jobs < 0:
        raise BadInput(
            f"jobs is a number of runs at the same time, or 0 for one a core, not {jobs}"
        )


def make(
    specs: Sequence[RunSpec],
    folder: Path,
    jobs: int,
    show: Show | None = None,
    suite_file: str = "",
) -> dict[str, int]:
    """Make what the folder lacks; how many runs ended with each status, and "resumed"."""
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
        shown = show(specs, done) if show else nullcontext(lambda event: None)
        with shown as on_event:
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
    """Rename the results file, so that nothing is lost and everything is made anew."""
    from zobench.harness.store import FILE, Store

    if not (folder / FILE).exists():
        return []
    with Store.open(folder):  # nobody is writing, and nothing is left in a side file
        pass
    name = f"results-{datetime.now(UTC):%Y%m%d-%H%M%S}.sqlite"
    try:
        (folder / FILE).rename(folder / name)
    except OSError as error:
        raise BadInput(f"cannot set {folder / FILE} aside: {error.strerror}") from error
    return [f"earlier results were set aside as {folder / name}"]
