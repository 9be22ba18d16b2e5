"""The file results.sqlite: opening it, and a lock so that only one process writes."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from zobench.errors import BadInput
from zobench.harness.checks import add_checksums, register
from zobench.harness.schema import ADDED_IN, BARE, CHECKS, SCHEMA, SUITES, VERSION

UNUSABLE = "cannot be used as a results file"
FILE, LOCK = "results.sqlite", ".lock"
LATEST = 1000  # no layout is later: the number is not one that zobench has written
MEND = (
    "`zobench run` as before keeps all that is sound, sets the file aside and makes the rest anew"
)


def take_lock(folder: Path) -> IO[str]:
    """Open the lock file, which only one process can hold until it ends.

    The folder is made if needed. Raises BadInput if that fails, or if another process holds the
    lock.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / LOCK, "a")  # noqa: SIM115 - held as long as the store is open
    except OSError as error:
        raise BadInput(f"cannot write results to {str(folder)!r}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_current = os.path.samestat(os.fstat(lock.fileno()), os.stat(folder / LOCK))
    except OSError:
        is_current = False
    if not is_current:  # also where the file was replaced since it was opened
        lock.close()
        raise BadInput(
            f"another process is writing results to {str(folder)!r}: wait for it, or choose another"
        )
    return lock


def damaged(error: Exception) -> str:
    """Return the message for an error of SQLite while results are read; "" for any other error."""
    if not isinstance(error, sqlite3.DatabaseError):
        return ""
    return unusable(Path(FILE), error)


def unusable(file: Path, error: Exception | str) -> str:
    """Return the message for a results file that SQLite cannot read or make."""
    if "disk is full" in str(error):
        return f"{file}: {error}; make room, or choose another folder"
    if reason := has_obstacle(file, str(error)):
        return f"{file}: {reason}; mend that, or choose another folder"
    if is_damage(error):
        other = ", or another program's" if "not a database" in str(error) else ""
        return f"{file} is damaged{other}: {error}; {MEND}"
    return f"{file} {UNUSABLE}: {error}; move it away, and make its runs again"


def unreadable(file: Path, error: Exception) -> str:
    """Return the message for a results file that opens, but has a part that cannot be read."""
    # SQLite says so of text that is not UTF-8, which it hands to the function of checksums.
    text = "user-defined function" in str(error) or "decode to UTF-8" in str(error)
    if not is_damage(error) and not text:
        return unusable(file, error)
    return f"{file} is damaged: {'it holds text that is not UTF-8' if text else error}; {MEND}"


def is_damage(error: object) -> bool:
    """True if the error is about damage of the file, not about its folder or disk."""
    return type(error) is sqlite3.DatabaseError or (
        isinstance(error, sqlite3.Error) and ("no such" in str(error) or "malformed" in str(error))
    )


def has_obstacle(file: Path, message: str) -> str:
    """Return the reason of the system that SQLite cannot use a file; "" if there is none.

    SQLite says "unable to open database file" in many cases, such as a full disk or a file that
    this user may not read.
    """
    if not file.is_file() or "malformed" in message or "not a database" in message:
        return ""
    try:
        with tempfile.TemporaryFile(dir=file.parent) as other:
            other.write(b"x" * 4096)
            other.flush()
    except OSError as error:
        return f"{error.strerror} ({message})"
    if not os.access(file, os.R_OK):
        return f"{os.strerror(errno.EACCES)} ({message})"
    return ""


class NoResults(BadInput):
    """The folder holds no results yet; a writer may begin there."""


def connect(folder: Path, write: bool) -> sqlite3.Connection:
    """Open the database of a folder; a writer makes it if needed.

    Raises BadInput. For a reader that is NoResults if there is no file, or a file without tables,
    which remains if a process ends while it makes the file.
    """
    file = folder / FILE
    if not write and not file.is_file():
        raise NoResults(f"no results in {str(folder)!r}: there is no {FILE}; run something first")
    if write and not file.exists():
        try:
            file.touch()
        except OSError as error:
            raise BadInput(f"cannot write results to {str(folder)!r}: {error.strerror}") from error
    try:
        db = _open_to_write(file) if write else _open_to_read(file)
        register(db)
        layout = db.execute("PRAGMA user_version").fetchone()[0]
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        if not tables and not write:
            db.close()
            raise NoResults(f"no results in {str(folder)!r}: {FILE} is empty; run something first")
        if not tables:
            db.executescript(SCHEMA)
            layout = VERSION
        elif not 0 <= layout <= LATEST or (layout <= BARE and "checks" in tables):
            db.close()
            fault = f"its header names layout {layout}, which does not fit its tables"
            raise sqlite3.DatabaseError(fault)
        while write and layout in _MIGRATIONS:
            _migrate(db, layout)
            layout += 1
    except sqlite3.DatabaseError as error:
        raise BadInput(unusable(file, error)) from error
    if not BARE <= layout <= VERSION:
        db.close()
        if not layout:
            raise BadInput(unusable(file, "it is another program's"))
        raise BadInput(
            f"{file} has layout {layout}, of a later zobench than this one, which knows layouts up "
            f"to {VERSION}: upgrade zobench, or choose another folder"
        )
    return db


def has_checksums(db: sqlite3.Connection) -> bool:
    """True if the rows of this file have checksums."""
    return db.execute("PRAGMA user_version").fetchone()[0] != BARE


def _migrate(db: sqlite3.Connection, layout: int) -> None:
    """Bring a file of this layout to the next one, all of it or nothing."""
    with db:
        db.execute("BEGIN")
        _MIGRATIONS[layout](db)
        db.execute(f"PRAGMA user_version = {layout + 1}")


def _add_checks(db: sqlite3.Connection) -> None:
    db.execute(CHECKS)
    db.execute("DROP VIEW IF EXISTS shown")
    db.execute("DROP VIEW IF EXISTS cells")
    add_checksums(db, {})


def _add_columns(db: sqlite3.Connection, layout: int) -> None:
    there = {row[1] for row in db.execute("PRAGMA table_info(runs)")}
    for column in ADDED_IN[layout]:
        if column not in there:
            db.execute(f"ALTER TABLE runs ADD COLUMN {column}")


def _add_suites(db: sqlite3.Connection) -> None:
    _add_columns(db, 3)
    db.execute(SUITES)


# layout -> what makes the next one of it
_MIGRATIONS = {1: _add_checks, 2: _add_suites, 3: lambda db: _add_columns(db, 4)}


def fold_in(db: sqlite3.Connection) -> None:
    """Write the content of the side files (-wal, -shm) into the results file, before it is closed.

    The next reader then makes no side files either. If another process still reads, nothing is
    done: the side files are complete, and a later writer merges them.
    """
    with suppress(sqlite3.OperationalError):
        db.execute("PRAGMA busy_timeout = 100")  # milliseconds
        db.execute("PRAGMA journal_mode = DELETE")


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the collector of garbage: with many rows it takes longer than to read them."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _open_to_write(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(file)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")  # a killed process loses nothing that was committed
    return db


def _open_to_read(file: Path) -> sqlite3.Connection:
    uri = f"{file.resolve().as_uri()}?mode=ro"
    db = sqlite3.connect(uri, uri=True)
    try:
        db.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError:
        db.close()
        if file.with_name(FILE + "-wal").exists():
            raise
        db = sqlite3.connect(uri + "&immutable=1", uri=True)  # in a folder that is read-only
    return db
