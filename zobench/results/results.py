"""Results: the runs that were asked for, as a results folder holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zobench.harness.plan import RunSpec
from zobench.harness.suite import Suite
from zobench.results.frame import Frame

if TYPE_CHECKING:
    from zobench.harness.store import Store

FAILED = ("failed", "timeout", "oom")  # what makes a command exit with status 1


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
    suite_file: str = ""  # the full path of a suite of the user's own, where that is known
    suite: Suite | None = None  # where the command has read it

    @property
    def names(self) -> list[str]:
        """Estimators as they are called here: of the command, then stored ones."""
        return [*dict.fromkeys(spec.estimator.text for spec in self.specs), *self.stored]

    @property
    def failed(self) -> bool:
        """Did a run of the command end as failed, timeout or oom?"""
        own = ~self.runs["estimator"].isin(list(self.stored))
        return bool(self.runs.loc[own, "status"].isin(FAILED).any())


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
        (s.suite, s.problem.id, s.estimator.text, s.repetition): place
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
    file = store.suite_file(specs[0].suite, specs[0].suite_version) if specs else ""
    return Results(
        list(specs), store.folder, counts, runs, hits, traces, problems, notes,
        environments=environments, suite_file=file,
    )  # fmt: skip
