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
from zobench.harness.database import FILE, connect, fold_in, take_lock, unusable
from zobench.harness.plan import RunSpec
from zobench.harness.result import RunResult, plain
from zobench.harness.schema import RUN_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

RUN = (
    "INSERT INTO runs VALUES (NULL, ?, (SELECT COUNT(*) + 1 FROM runs WHERE run_key = ?)"
    + ", ?" * (len(RUN_COLUMNS) + 1)
    + ")"
)
PLAN = f"INSERT INTO plans VALUES (NULL{', ?' * 11})"
_UNDEFINING = ("repetitions", "time_limit", "memory_limit", "threads")  # kept with the plan


class Store:
    """The results in a folder. `open` it; close it, or use it as a context."""

    def __init__(self, folder: Path, db: sqlite3.Connection, lock: IO[str] | None) -> None:
        self.folder, self.db, self._lock = folder, db, lock
        self.environment = ""  # hash of the environment of the runs that are added

    @classmethod
    def open(cls, folder: str | Path, write: bool = True) -> Store:
        """The results of a folder, made if need be when writing.

        Raises BadInput, one line, when the folder cannot be written (or, to read, holds no
        results), another process is writing, or the file is no database or of another layout.
        """
        folder = Path(folder)
        lock = take_lock(folder) if write else None
        try:
            db = connect(folder, write)
        except BadInput:
            if lock is not None:
                lock.close()
            raise
        return cls(folder, db, lock)

    def begin(self, specs: Sequence[RunSpec], environment: dict[str, Any]) -> None:
        """Note what is asked for and where it runs, before the runs of `specs` are added."""
        from zobench.harness.environment import fingerprint

        self.environment = fingerprint(environment)
        with self._transaction():
            row = (self.environment, json.dumps(environment))
            self.db.execute("INSERT OR IGNORE INTO environments VALUES (?, ?)", row)
            ids: dict[str, int] = {}
            for spec in specs:
                definition, limits = _split(spec)
                if definition not in ids:
                    ids[definition] = self._problem_id(spec, definition)
                self.db.execute(PLAN, _plan_row(spec, ids[definition], limits))

    def add(self, results: Iterable[RunResult]) -> None:
        """Add finished runs, all of them or none."""
        with self._transaction():
            for result in results:
                values = [_cell(getattr(result, column)) for column in RUN_COLUMNS]
                row = (result.key, result.key, *values, self.environment)
                run = self.db.execute(RUN, row).lastrowid
                hits = [(run, *hit) for hit in result.hits]
                self.db.executemany("INSERT INTO hits VALUES (?, ?, ?, ?, ?, ?)", hits)
                rows = np.asarray(result.trace, "<f8").reshape(-1, 4)
                self.db.execute("INSERT INTO traces VALUES (?, ?)", (run, rows.tobytes()))

    def done(self, keys: Iterable[str]) -> set[str]:
        """Those of `keys` whose last attempt settled the run."""
        with self._reading():
            last = dict(self.db.execute("SELECT run_key, settled FROM runs ORDER BY id"))
        return {key for key in keys if last.get(key)}

    def made(self) -> set[str]:
        """The keys of all runs that are stored, however they ended."""
        with self._reading():
            return {key for (key,) in self.db.execute("SELECT DISTINCT run_key FROM runs")}

    def runs(self) -> pd.DataFrame:
        """One row a run: see `tables.runs`."""
        with self._reading():
            return tables.runs(self.db)

    def hits(self) -> pd.DataFrame:
        """One row a target that a run hit: see `tables.hits`."""
        with self._reading():
            return tables.hits(self.db)

    def traces(self) -> pd.DataFrame:
        """One row a scored point of a run: see `tables.traces`."""
        with self._reading():
            return tables.traces(self.db)

    def problems(self) -> pd.DataFrame:
        """One row a target of a problem: see `tables.problems`."""
        with self._reading():
            return tables.problems(self.db)

    def environments(self) -> dict[str, dict[str, Any]]:
        """What `environment` in `runs` stands for."""
        with self._reading():
            rows = self.db.execute("SELECT hash, json FROM environments")
            return {key: json.loads(text) for key, text in rows}

    def specs(self) -> list[RunSpec]:
        """The runs that tables show, whether made or not, as they were asked for.

        Raises BadInput where names hold control characters, which no name of ours does.
        """
        with self._reading():
            return tables.specs(self.db)

    def close(self) -> None:
        """Close the file, alone in its folder, and let another process write."""
        lock, self._lock = self._lock, None
        if lock is not None:
            fold_in(self.db)
        self.db.close()
        if lock is not None:
            lock.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _problem_id(self, spec: RunSpec, definition: str) -> int:
        known = self.db.execute("SELECT id FROM problems WHERE json = ?", (definition,)).fetchone()
        if known is not None:
            return known[0]
        row = (spec.suite, spec.suite_version, spec.problem.id, spec.problem.group, definition)
        made = self.db.execute("INSERT INTO problems VALUES (NULL, ?, ?, ?, ?, ?)", row)
        assert made.lastrowid is not None
        return made.lastrowid

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Raises BadInput, with the file, where SQLite cannot read it, or it holds what we do not.

        Names that would reach a terminal as control sequences are among that.
        """
        try:
            yield
        except BadInput as error:
            raise BadInput(f"{self.folder / FILE}: {error}") from error
        except (sqlite3.DatabaseError, ValueError, TypeError, KeyError) as error:
            raise BadInput(unusable(self.folder / FILE, error)) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it or nothing. Raises BadInput when the disk is full or the file has gone."""
        try:
            with self.db:
                yield
        except sqlite3.OperationalError as error:
            raise BadInput(
                f"{self.folder / FILE}: {error}; what was stored before is kept: mend that, "
                "and the same command goes on from there"
            ) from error


def _split(spec: RunSpec) -> tuple[str, dict[str, Any]]:
    """(what defines the problem, as JSON; the rest of it)."""
    problem = dict(vars(spec.problem))
    limits = {key: problem.pop(key) for key in _UNDEFINING}
    data = {"suite": spec.suite, "suite_version": spec.suite_version, "problem": problem}
    return json.dumps(data, sort_keys=True, default=plain), limits


def _plan_row(spec: RunSpec, problem: int, limits: dict[str, Any]) -> tuple:
    """A row of table `plans`, but for its id."""
    e = spec.estimator
    named = (problem, spec.key, e.display, e.name, e.version)
    chosen = (json.dumps(e.settings, default=plain), json.dumps(e.settings_from))
    which = (spec.repetition, spec.problem.instance(spec.repetition), spec.problem_seed)
    return (*named, *chosen, *which, json.dumps(limits))


def _cell(value: Any) -> Any:
    return json.dumps(value, default=plain) if isinstance(value, dict) else value
