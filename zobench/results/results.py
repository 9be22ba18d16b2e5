"""The runs of a command, read from its results folder."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zobench.analysis.frames import Frames
from zobench.harness.memory import give_back
from zobench.harness.plan import RunSpec
from zobench.harness.suite import Suite

if TYPE_CHECKING:
    import pandas as pd

    from zobench.harness.store import Store

FAILED = ("failed", "timeout", "oom")  # what makes a command exit with status 1
LARGE = ("hits", "traces")  # the tables that a command may read later, or not at all


@dataclass
class Results:
    """The runs of a command, as data frames.

    Attributes:
        specs: the runs that the command plans.
        folder: the results folder.
        counts: status -> the number of runs that ended with it in this call; "resumed": the
            runs that were made before.
        frames: the runs, hits, traces and problems, with the columns of runs.csv and hits.csv.
        notes: sentences for the user, such as on earlier results that were set aside.
        against: folders of stored runs that were added to these.
        stored: of `against`: label in these frames -> estimator in its folder.
        environments: hash in the column `environment` of `runs` -> packages and machine.
        suite_file: the full path of a user's suite; "" if unknown.
        suite: the suite; None if the command has not read it.
        without: the tables of `frames` that were not read.
        content: see `Store.content`; "" if the frames have runs of other folders too.

    Example:
        >>> import tempfile, zobench
        >>> results = zobench.run(
        ...     ["spsa"], "smoke", problems=["sphere*"], repetitions=2, jobs=1,
        ...     out=tempfile.mkdtemp(), progress=False,
        ... )
        >>> results.names, results.failed
        (['spsa'], False)
        >>> list(results.runs["status"])
        ['target', 'target']
        >>> best = results.traces.groupby("run_key")["best"].last()
        >>> bool((best < 1).all())
        True
    """

    specs: list[RunSpec]
    folder: Path
    counts: dict[str, int]
    frames: Frames
    notes: list[str] = field(default_factory=list)
    against: tuple[Path, ...] = ()
    stored: dict[str, str] = field(default_factory=dict)
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    suite_file: str = ""
    suite: Suite | None = None
    without: tuple[str, ...] = ()
    content: str = ""

    @property
    def runs(self) -> pd.DataFrame:
        """One row per run."""
        return self.frames.runs

    @property
    def hits(self) -> pd.DataFrame:
        """One row per target that a run hit."""
        return self.frames.hits

    @property
    def traces(self) -> pd.DataFrame:
        """One row per scored point of a run."""
        return self.frames.traces

    @property
    def problems(self) -> pd.DataFrame:
        """One row per target of a problem."""
        return self.frames.problems

    @property
    def names(self) -> list[str]:
        """The labels of the estimators: those of the command, then the stored ones."""
        return [*dict.fromkeys(spec.estimator.text for spec in self.specs), *self.stored]

    @property
    def failed(self) -> bool:
        """True if a run of the command ended as failed, timeout or oom."""
        own = ~self.runs["estimator"].isin(list(self.stored))
        return bool(self.runs.loc[own, "status"].isin(FAILED).any())


def read(
    specs: Sequence[RunSpec],
    folder: Path,
    counts: dict[str, int],
    notes: list[str],
    without: Collection[str] = (),
    checked: bool = False,
) -> Results:
    """Read the results of `specs`, and of no other runs in the folder.

    Args:
        specs: the runs to read.
        folder: the results folder.
        counts: for `Results.counts`.
        notes: for `Results.notes`.
        without: tables of LARGE that are not read: they are most of a file.
        checked: True if the caller has just looked for damaged rows.

    Returns:
        The results; runs are in the order of `specs`.
    """
    from zobench.harness.store import Store

    with Store.open(folder, write=False, checked=checked) as store:
        return read_from(store, specs, counts, notes, without)


def read_from(
    store: Store,
    specs: Sequence[RunSpec],
    counts: dict[str, int],
    notes: list[str],
    without: Collection[str] = (),
) -> Results:
    """Read the results of `specs` from an open store; see `read`."""
    import numpy as np

    frames = frames_of(store, without)
    rows = _rows_of(frames.runs, specs)
    if not np.array_equal(rows, np.arange(len(frames.runs))):
        runs = frames.runs.iloc[rows].reset_index(drop=True)
        is_part = len(rows) < len(frames.runs)
        frames = frames.select(runs) if is_part else replace(frames, runs=runs)
    names = {(spec.suite, spec.problem.id) for spec in specs}
    cells = frames.problems[["suite", "problem"]].itertuples(index=False, name=None)
    problems = frames.problems.loc[np.array([cell in names for cell in cells], bool)]
    give_back()
    return Results(
        list(specs),
        store.folder,
        counts,
        replace(frames, problems=problems.reset_index(drop=True)),
        notes,
        environments=store.environments(),
        suite_file=store.suite_file(specs[0].suite, specs[0].suite_version) if specs else "",
        without=tuple(without),
        content=store.content(),
    )


def frames_of(store: Store, without: Collection[str] = ()) -> Frames:
    """Read all frames of a store; the tables of LARGE in `without` stay empty."""
    import pandas as pd

    hits, traces = (pd.DataFrame() if name in without else getattr(store, name)() for name in LARGE)
    return Frames(store.runs(), hits, traces, store.problems())


def large_table(results: Results, name: Literal["hits", "traces"]) -> pd.DataFrame:
    """Return the hits or traces of results, read now if the results were read without them."""
    if name not in results.without:
        return getattr(results.frames, name)
    from zobench.harness.store import Store

    with Store.open(results.folder, write=False, checked=True) as store:
        frame = getattr(store, name)()
    is_own = frame["run_key"].isin(list(set(results.runs["run_key"]))).to_numpy()
    return frame if is_own.all() else frame[is_own].reset_index(drop=True)


def hit_counts(results: Results, keys: Sequence[str]) -> dict[tuple[str, str], int]:
    """Count the targets that a few of the runs hit: (run_key, kind) -> number."""
    from zobench.harness.store import Store

    with Store.open(results.folder, write=False, checked=True) as store:
        return store.hit_counts(keys)


def _rows_of(runs: pd.DataFrame, specs: Sequence[RunSpec]) -> Any:
    """The rows of `runs` that are of `specs`, in the order of `specs`."""
    import numpy as np

    index_of = {
        (s.suite, s.problem.id, s.estimator.text, s.repetition): index
        for index, s in enumerate(specs)
    }
    columns = ["suite", "problem", "estimator", "repetition"]
    cells = zip(*(runs[column].tolist() for column in columns))
    indices = np.array([index_of.get(cell, -1) for cell in cells], int)
    return np.argsort(indices, kind="stable")[int((indices < 0).sum()) :]
