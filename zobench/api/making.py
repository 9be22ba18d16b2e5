"""From what a user asks for to results: plan, make what is missing, read what there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zobench.api.building import check_problems
from zobench.api.frame import Frame
from zobench.errors import BadInput
from zobench.harness.mending import mend
from zobench.harness.plan import RunSpec, plan
from zobench.harness.suite import Suite, load

if TYPE_CHECKING:
    from zobench.harness.pool import Event
    from zobench.harness.store import Store

FAILED = ("failed", "timeout", "oom")  # what makes a command exit with status 1
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


@dataclass
class Results:
    """The runs that were asked for, as data frames; columns as `harness.tables` says."""

    specs: list[RunSpec]
    folder: Path
    counts: dict[str, int]  # how many runs ended how in this call, and "resumed"
    runs: Frame
    hits: Frame
    traces: Frame
    problems: Frame
    notes: list[str] = field(default_factory=list)
    against: tuple[Path, ...] = ()  # folders of stored runs that stand beside these
    stored: dict[str, str] = field(default_factory=dict)  # of `against`: label -> estimator there
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)  # of `runs`, by hash

    @property
    def names(self) -> list[str]:
        """Estimators as they are called here: of the command, then stored ones."""
        return [*dict.fromkeys(spec.estimator.display for spec in self.specs), *self.stored]

    @property
    def failed(self) -> bool:
        """Did a run of the command end as failed, timeout or oom?"""
        own = ~self.runs["estimator"].isin(list(self.stored))
        return bool(self.runs.loc[own, "status"].isin(FAILED).any())


def make_runs(request: Request, show: Show | None = None, traced: bool = True) -> Results:
    """Make the runs that the results folder lacks; read all that were asked for, see `read`.

    `show(specs, keys made before)` is a context that gives a callback for events.
    Raises BadInput, and Interrupted on Ctrl-C.
    """
    if not request.estimators:
        raise BadInput("name at least one estimator; `zobench list estimators` shows them")
    check_jobs(request.jobs)
    suite = load(request.suite).pick(request.problems)
    specs = plan(
        suite,
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
        from zobench.api.against import check_against, with_stored

        check_against(request.against, request.fail_if_slower, specs, folder)
    notes = [] if request.fresh else mend(folder)
    if request.fresh or not _all_made(specs, folder):
        check_problems(request.suite, specs)
    notes += _set_aside(folder) if request.fresh else []
    counts = make(specs, folder, request.jobs, show)
    resumed = not request.fresh and sum(counts.values()) == counts["resumed"]
    results = read(specs, folder, counts, notes, traced, checked=resumed)
    return with_stored(results, request.against) if request.against else results


def check_jobs(jobs: int) -> None:
    """Raises BadInput for a number of jobs that cannot be."""
    if jobs < 0:
        raise BadInput(
            f"jobs is a number of runs at the same time, or 0 for one a core, not {jobs}"
        )


def make(
    specs: Sequence[RunSpec], folder: Path, jobs: int, show: Show | None = None
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
            return run_all(specs, store, jobs or cores(), on_event)


def read(
    specs: Sequence[RunSpec],
    folder: Path,
    counts: dict[str, int],
    notes: list[str],
    traced: bool = True,
    checked: bool = False,
) -> Results:
    """The results of `specs` alone, whatever else the folder holds.

    `traced`: with their traces, which are half of a file. `checked`: the caller just looked for
    damaged rows.
    """
    from zobench.harness.store import Store

    with Store.open(folder, write=False, checked=checked) as store:
        return read_from(store, specs, counts, notes, traced)


def read_from(
    store: Store,
    specs: Sequence[RunSpec],
    counts: dict[str, int],
    notes: list[str],
    traced: bool = True,
) -> Results:
    """`read` from an open store. Runs are in the order of `specs`."""
    import numpy as np
    import pandas as pd

    runs, hits, problems = store.runs(), store.hits(), store.problems()
    traces = store.traces() if traced else pd.DataFrame()
    cells = {
        (s.suite, s.problem.id, s.estimator.display, s.repetition): place
        for place, s in enumerate(specs)
    }
    columns = ["suite", "problem", "estimator", "repetition"]
    there = zip(*(runs[column].tolist() for column in columns))
    places = np.array([cells.get(cell, -1) for cell in there], int)
    kept = np.argsort(places, kind="stable")[int((places < 0).sum()) :]
    if not np.array_equal(kept, np.arange(len(runs))):
        runs = runs.iloc[kept].reset_index(drop=True)
    if len(kept) < len(places):
        keys = list(set(runs["run_key"]))
        hits = hits[hits["run_key"].isin(keys)].reset_index(drop=True)
        if traced:
            traces = traces[traces["run_key"].isin(keys)].reset_index(drop=True)
    asked = {(s.suite, s.problem.id) for s in specs}
    pairs = problems[["suite", "problem"]].itertuples(index=False, name=None)
    problems = problems[np.array([pair in asked for pair in pairs], bool)].reset_index(drop=True)
    environments = store.environments()
    return Results(
        list(specs), store.folder, counts, runs, hits, traces, problems, notes,
        environments=environments,
    )  # fmt: skip


def _all_made(specs: Sequence[RunSpec], folder: Path) -> bool:
    from zobench.harness.store import FILE, Store

    if not (folder / FILE).is_file():
        return False
    keys = {spec.key for spec in specs}
    with Store.open(folder, write=False) as store:
        return store.done(keys) == keys


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
