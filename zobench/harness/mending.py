"""Find the damaged rows of results, and write a new file with the sound ones."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from zobench.errors import BadInput
from zobench.harness.checks import KINDS, check_pages, is_sound, misfits, register
from zobench.harness.database import (
    FILE,
    MEND,
    NoResults,
    connect,
    has_checksums,
    has_obstacle,
    is_damage,
    take_lock,
)
from zobench.harness.salvage import salvaged
from zobench.harness.schema import SCHEMA

FEW = 3  # damaged rows that are named


def damage_text(db: sqlite3.Connection, misfit_rows: Mapping[str, Sequence[int]]) -> str:
    """Return one line on the rows of `checks.misfits`."""
    names = [_name(db, kind, id) for kind, ids in misfit_rows.items() for id in ids[:FEW]]
    count = sum(map(len, misfit_rows.values()))
    more = f" and {count - FEW} more" if count > FEW else ""
    return f"damaged: {', '.join(names[:FEW])}{more}; {MEND}"


def mend(folder: Path) -> list[str]:
    """Set a damaged results file aside and put its sound rows in its place.

    Returns lines for the user: none if all rows are sound, or if there is no file. Raises BadInput
    if the folder cannot be written, if another process is writing, or if no run of the file can be
    rescued; the file then stays where it is.
    """
    file = folder / FILE
    fault, broken = _damage(folder)
    if not fault:
        return []
    with take_lock(folder), closing(_source(folder, broken)) as db:
        part = folder / f".{FILE}.part"
        part.unlink(missing_ok=True)
        n_rescued, n_lost = _rescued(db, part)
        if broken and not n_rescued:
            part.unlink()
            raise BadInput(
                f"{fault}, and none of its runs can be rescued: move it away, and make them again"
            )
        aside = folder / f"damaged-{datetime.now(UTC):%Y%m%d-%H%M%S}.sqlite"
        file.rename(aside)
        for end in ("-wal", "-shm"):  # they belong to the file that was set aside
            if (side := file.with_name(FILE + end)).exists():
                side.rename(aside.with_name(aside.name + end))
        part.rename(file)
    least = "at least " * broken  # a run that the file does not mention cannot be counted
    remainder = (
        f"; {least}{n_lost:,} other{'s' * (n_lost != 1)} could not be read" if n_lost else ""
    )
    return [
        f"{fault}: the file was set aside as {aside}, and the {n_rescued:,} sound runs were "
        f"kept{remainder}"
    ]


def _damage(folder: Path) -> tuple[str, bool]:
    """Return the damage in words ("": none), and True if SQLite cannot read the file.

    Raises BadInput if the file is sound and cannot be used, for example for its layout.
    """
    file = folder / FILE
    try:
        db = connect(folder, write=False)
    except NoResults:
        return "", False
    except BadInput as error:
        cause = error.__cause__
        if not is_damage(cause) or has_obstacle(file, str(cause)):
            raise
        return f"{file} is damaged ({cause})", True
    with closing(db):
        try:
            check_pages(db)
            rows = misfits(db) if has_checksums(db) else {}
        except sqlite3.DatabaseError as error:
            return f"{file} is damaged ({error})", True
        return (f"{file} is {damage_text(db, rows).partition(';')[0]}" if rows else ""), False


def _source(folder: Path, broken: bool) -> sqlite3.Connection:
    return salvaged(folder / FILE) if broken else connect(folder, write=False)


def _name(db: sqlite3.Connection, kind: str, id: int) -> str:
    """Return the name of a row; of a run: its estimator, problem and number."""
    table = "plans.id = ?" if kind == "plan" else "runs.id = ?"
    query = f"""
        SELECT plans.estimator, problems.problem, plans.repetition + 1 FROM plans
        JOIN problems ON problems.id = plans.problem
        LEFT JOIN runs ON runs.run_key = plans.run_key WHERE {table} ORDER BY plans.id DESC
    """
    row = db.execute(query, (id,)).fetchone() if kind in ("plan", "run") else None
    if row is None or not all(str(word).isprintable() for word in row):
        return f"{kind} number {id}"
    estimator, problem, number = row
    prefix = "" if kind == "run" else "the plan of "
    return f"{prefix}run {number} of {estimator} on {problem}"


def _rescued(db: sqlite3.Connection, part: Path) -> tuple[int, int]:
    """Write all sound rows of a damaged database into a new file.

    Returns the number of runs in it, and of others that the damaged file mentions.
    """
    new = sqlite3.connect(part)
    register(new)
    new.executescript(SCHEMA)
    with new:
        for kind, (table, key, _) in KINDS.items():
            for id in _sound_ids(db, kind):
                if is_sound(db, kind, id):
                    _copy(db, new, table, key, id)
                    if kind == "run":
                        _copy(db, new, "hits", "run", id)
                        _copy(db, new, "traces", "run", id)
                    _copy(db, new, "checks", f"kind = '{kind}' AND id", id)
        orphans = "SELECT id FROM plans WHERE problem NOT IN (SELECT id FROM problems)"
        new.execute(f"DELETE FROM checks WHERE kind = 'plan' AND id IN ({orphans})")
        new.execute(f"DELETE FROM plans WHERE id IN ({orphans})")
    rescued = {id for (id,) in new.execute("SELECT id FROM runs")}
    new.close()
    return len(rescued), len(_recorded_ids(db) - rescued)


def _recorded_ids(db: sqlite3.Connection) -> set[int]:
    """Return the ids of all runs with a row in any table, as far as it can be read."""
    ids = set(_sound_ids(db, "run"))
    for column, table in (("id", "runs"), ("run", "traces"), ("run", "hits")):
        with suppress(sqlite3.DatabaseError):
            for (id,) in db.execute(f"SELECT {column} FROM {table}"):
                ids.add(id)
    return ids


def _sound_ids(db: sqlite3.Connection, kind: str) -> list[int]:
    """The ids of this kind that have a checksum, as far as the table can be read from its ends."""
    ids: set[int] = set()
    for order in ("ASC", "DESC"):
        query = f"SELECT id FROM checks WHERE kind = ? ORDER BY id {order}"
        with suppress(sqlite3.DatabaseError):
            for (id,) in db.execute(query, (kind,)):
                ids.add(id)
    return sorted(ids)


def _copy(db: sqlite3.Connection, new: sqlite3.Connection, table: str, key: str, id: int) -> None:
    names = [f'"{row[1]}"' for row in db.execute(f"PRAGMA table_info({table})")]
    columns = ", ".join(["rowid"] * (table == "environments") + names)
    rows = db.execute(f"SELECT {columns} FROM {table} WHERE {key} = ?", (id,)).fetchall()
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        new.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)
