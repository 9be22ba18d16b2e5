"""Results: one SQLite file in a folder, one writer, rows that are never edited."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from zobench.errors import BadInput
from zobench.harness import tables
from zobench.harness.checks import add_checksums, fingerprint_of, misfits, newest
from zobench.harness.database import (
    FILE,
    connect,
    fold_in,
    has_checksums,
    take_lock,
    uncollected,
    unreadable,
)
from zobench.harness.estimator_spec import IMPORTED
from zobench.harness.mending import damage_text
from zobench.harness.plan import RunSpec
from zobench.harness.plan_rows import PLAN, new_plans, plan_rows
from zobench.harness.result import RunResult, plain
from zobench.harness.results_file import ResultFiles
from zobench.harness.schema import ADDED, RUN_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (*RUN_COLUMNS, *ADDED)
RUN = (
    f"INSERT INTO runs (run_key, attempt, {', '.join(COLUMNS)}, environment)"
    " VALUES (?, (SELECT COUNT(*) + 1 FROM runs WHERE run_key = ?)"
    + ", ?" * (len(COLUMNS) + 1)
    + ")"
)


class Store:
    """The results in a folder. `open` it; close it, or use it as a context."""

    def __init__(
        self, folder: Path, db: sqlite3.Connection, lock: IO[str] | None, checked: bool = False
    ) -> None:
        self.folder, self.db, self._lock = folder, db, lock
        self.environment = ""  # hash of the environment of the runs that are added
        self._facts = ""  # of that environment, as JSON
        self._file = ResultFiles(folder / FILE, lock) if lock is not None else None
        self._loss = ""  # the message, once the file was moved, replaced or deleted
        self._checked = checked or lock is not None or not has_checksums(db)
        self._cached_cells: tuple[tuple[int, int], tables.CellRuns] | None = None

    @classmethod
    def open(cls, folder: str | Path, write: bool = True, checked: bool = False) -> Store:
        """Open the results of a folder; a writer makes the file if needed.

        A reader checks every row before it gives the first table, unless `checked` says that the
        caller has just done so. A writer does not: `mending.mend` comes first.
        Raises BadInput if the folder cannot be written (or, for a reader, holds no results), if
        another process is writing, or if the file is not a database or has another layout.
        """
        folder = Path(folder)
        lock = take_lock(folder) if write else None
        try:
            return cls(folder, connect(folder, write), lock, checked)
        except BadInput:
            if lock is not None:
                lock.close()
            raise

    def begin(
        self, specs: Sequence[RunSpec], environment: dict[str, Any], suite_file: str = ""
    ) -> None:
        """Store the plan of `specs`, before their runs are added.

        Rows of the plan that are stored and shown already are not stored again. `suite_file`: the
        file of the suite, if it is the user's own.
        """
        from zobench.harness.environment import fingerprint

        self.environment, self._facts = fingerprint(environment), json.dumps(environment)
        with self._transaction():
            new_rows = new_plans(self.db, self._cells(), plan_rows(self.db, specs))
            self.db.executemany(PLAN, new_rows)
            if suite_file and specs:
                row = (specs[0].suite, specs[0].suite_version, suite_file)
                if self.suite_file(*row[:2]) != suite_file:
                    self.db.execute("INSERT OR REPLACE INTO suites VALUES (?, ?, ?)", row)

    def add(self, results: Iterable[RunResult]) -> None:
        """Add finished runs, all of them or none."""
        with self._transaction():
            if self.environment:
                row = self.environment, self._facts
                self.db.execute("INSERT OR IGNORE INTO environments VALUES (?, ?)", row)
            for result in results:
                values = [_cell(getattr(result, column)) for column in COLUMNS]
                row = (result.key, result.key, *values, self.environment)
                run = self.db.execute(RUN, row).lastrowid
                hits = [(run, *hit) for hit in result.hits]
                self.db.executemany("INSERT INTO hits VALUES (?, ?, ?, ?, ?, ?)", hits)
                rows = np.asarray(result.trace, "<f8").reshape(-1, 4)
                self.db.execute("INSERT INTO traces VALUES (?, ?)", (run, rows.tobytes()))

    def check_place(self) -> None:
        """Raise BadInput if the file that is written was moved, replaced or deleted.

        The message states the change and which runs are kept. No run is added afterwards.
        """
        if self._file is None:
            return
        if not self._loss and (file := self._file.changed_file()) is not None:
            self._loss = self._file.message(file, self.db)
        if self._loss:
            raise BadInput(self._loss)

    def imported(self) -> bool:
        """True if runs of this file were made by another tool."""
        with self._reading():
            query = "SELECT 1 FROM plans WHERE estimator_version = ? LIMIT 1"
            return self.db.execute(query, (IMPORTED,)).fetchone() is not None

    def done(self, keys: Iterable[str]) -> set[str]:
        """Return those of `keys` whose last attempt settled the run."""
        with self._reading():
            last = dict(self.db.execute("SELECT run_key, settled FROM runs ORDER BY id"))
        return {key for key in keys if last.get(key)}

    def keys(self) -> set[str]:
        """Return the keys of all stored runs, whatever their status."""
        with self._reading():
            return {key for (key,) in self.db.execute("SELECT DISTINCT run_key FROM runs")}

    def runs(self) -> pd.DataFrame:
        """One row per run: see `tables.runs`."""
        with self._reading():
            return tables.runs(self.db, self._cells())

    def hits(self) -> pd.DataFrame:
        """One row per target that a run hit: see `tables.hits`."""
        with self._reading():
            return tables.hits(self.db, self._cells())

    def hit_counts(self, keys: Iterable[str]) -> dict[tuple[str, str], int]:
        """Map (run_key, kind) to the number of targets hit, for a few runs."""
        with self._reading():
            self._check()
            return tables.hit_counts(self.db, keys)

    def content(self) -> str:
        """Return a hash of the checksums of all rows; "" if there are none."""
        with self._reading():
            self._check()
            return fingerprint_of(self.db) if has_checksums(self.db) else ""

    def traces(self) -> pd.DataFrame:
        """One row per scored point of a run: see `tables.traces`."""
        with self._reading():
            return tables.traces(self.db, self._cells())

    def problems(self) -> pd.DataFrame:
        """One row per target of a problem: see `tables.problems`."""
        with self._reading():
            return tables.problems(self.db, self._cells())

    def environments(self) -> dict[str, dict[str, Any]]:
        """Map `environment` in `runs` to its facts; empty if they were lost by damage."""
        with self._reading():
            rows = self.db.execute("SELECT hash, json FROM environments")
            facts = {key: json.loads(text) for key, text in rows}
            keys = self.db.execute("SELECT DISTINCT environment FROM runs")
            return {key: {} for (key,) in keys if key not in facts} | facts

    def suite_file(self, suite: str, version: str) -> str:
        """Return the file of a user's own suite; "" for another suite, or if it is unknown."""
        with self._reading():
            if not self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'suites'").fetchone():
                return ""  # a file of an earlier layout
            query = "SELECT file FROM suites WHERE suite = ? AND suite_version = ?"
            row = self.db.execute(query, (suite, version)).fetchone()
            return row[0] if row else ""

    def specs(self) -> list[RunSpec]:
        """Return the specifications of the runs that tables show, whether made or not.

        Raises BadInput if a name holds control characters, which zobench never writes.
        """
        with self._reading():
            return tables.specs(self.db, self._cells())

    def close(self) -> None:
        """Close the file, alone in its folder, and let another process write."""
        lock, self._lock = self._lock, None
        if lock is not None and not self._loss:
            fold_in(self.db)
        self.db.close()
        if self._file is not None:
            self._file.close()
        if lock is not None:
            lock.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _cells(self) -> tables.CellRuns:
        """Return `tables.cell_runs`, read again if the file has changed."""
        self._check()
        state = self.db.total_changes, self.db.execute("PRAGMA data_version").fetchone()[0]
        if self._cached_cells is None or self._cached_cells[0] != state:
            self._cached_cells = state, tables.cell_runs(self.db)
        return self._cached_cells[1]

    def _check(self) -> None:
        """Raise BadInput where a row does not fit its checksum; rows are looked at once."""
        if not self._checked:
            if rows := misfits(self.db):
                raise BadInput(damage_text(self.db, rows))
            self._checked = True

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Raises BadInput, with the file, where SQLite cannot read it, or it holds what we do not.

        Names that would reach a terminal as control sequences are among that.
        """
        try:
            with uncollected():
                yield
        except BadInput as error:
            raise BadInput(f"{self.folder / FILE}: {error}") from error
        except (sqlite3.DatabaseError, ValueError, TypeError, KeyError) as error:
            raise BadInput(unreadable(self.folder / FILE, error)) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it or nothing, with a checksum of each row.

        Raises BadInput when the disk is full, or where the file is no longer in its place.
        """
        self.check_place()
        try:
            with uncollected(), self.db:
                before = newest(self.db)
                yield
                add_checksums(self.db, before)
        except sqlite3.OperationalError as error:
            raise BadInput(
                f"{self.folder / FILE}: {error}; what was stored before is kept: mend that, "
                "and the same command goes on from there"
            ) from error
        if self._file is not None:
            self._file.note_size()


def _cell(value: Any) -> Any:
    return json.dumps(value, default=plain) if isinstance(value, dict) else value
