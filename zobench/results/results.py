"""Results: the runs that were asked for, as a results folder holds them."""

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
    """The runs that were asked for, as data frames; columns as `harness.tables` says."""

    specs: list[RunSpec]
    folder: Path
    counts: dict[str, int]  # how many runs ended how in this call, and "resumed"
    frames: Frames
    notes: list[str] = field(default_factory=list)
    against: tuple[Path, ...] = ()  # folders of stored runs that stand beside these
    stored: dict[str, str] = field(default_factory=dict)  # of `against`: label -> estimator there
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)  # of `runs`, by hash
    suite_file: str = ""  # the full path of a suite of the user's own, where that is known
    suite: Suite | None = None  # where the command has read it
    without: tuple[str, ...] = ()  # the tables of `frames` that were not read
    content: str = ""  # of the folder, see `Store.content`; "" where the frames are not of it alone

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
        """Estimators as they are called here: of the command, then stored ones."""
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
    """Read the results of `specs` alone, whatever else the folder holds.

    Args:
        specs: the runs that were asked for.
        folder: the results folder.
        counts: for `Results.counts`.
        notes: for `Results.notes`.
        without: tables of LARGE that are not read: they are most of a file.
        checked: True if the caller has just looked for damaged rows.
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
    """Do as `read` does, from an open store. Runs are in the order of `specs`."""
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
    """The hits or traces of results: read now if the results were read without them."""
    if name not in results.without:
        return getattr(results.frames, name)
    from zobench.harness.store import Store

    with Store.open(results.folder, write=False, checked=True) as store:
        frame = getattr(store, name)()
    wanted = frame["run_key"].isin(list(set(results.runs["run_key"]))).to_numpy()
    return frame if wanted.all() else frame[wanted].reset_index(drop=True)


def hit_counts(results: Results, keys: Sequence[str]) -> dict[tuple[str, str], int]:
    """(run_key, kind) -> the number of targets hit, of a few of the runs."""
    from zobench.harness.store import Store

    with Store.open(results.folder, write=False, checked=True) as store:
        return store.hit_counts(keys)


def _rows_of(runs: pd.DataFrame, specs: Sequence[RunSpec]) -> Any:
    """The rows of `runs` that are of `specs`, in their order."""
    import numpy as np

    cells = {
        (s.suite, s.problem.id, s.estimator.text, s.repetition): place
        for place, s in enumerate(specs)
    }
    columns = ["suite", "problem", "estimator", "repetition"]
    there = zip(*(runs[column].tolist() for column in columns))
    places = np.array([cells.get(cell, -1) for cell in there], int)
    return np.argsort(places, kind="stable")[int((places < 0).sum()) :]
