"""The files of results while they are written: a file that is moved or removed is noticed."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import IO


class ResultFiles:
    """The files of a results folder when a writer opened them, and whether they are still there.

    SQLite goes on writing into a file that has lost its name: the user would lose such rows.
    """

    def __init__(self, file: Path, lock: IO[str]) -> None:
        """`file`: the database, open in WAL mode; `lock`: the open file that excludes others."""
        self.file, self.lock = file, Path(lock.name)
        self.descriptor: int | None = None
        if hasattr(os, "O_PATH"):  # closing any other descriptor would drop SQLite's own locks
            self.descriptor = os.open(file, os.O_PATH)
        self.identities = {path: _identity(path) for path in (self.file, *self.sides)}
        self.identities[self.lock] = _identity(lock.fileno())
        self.size = self.file.stat().st_size

    @property
    def sides(self) -> list[Path]:
        """The files that SQLite keeps beside the database while it is written."""
        return [self.file.with_name(self.file.name + end) for end in ("-wal", "-shm")]

    def note_size(self) -> None:
        """Note the size of the file, which only its writer changes."""
        self.size = self.file.stat().st_size

    def changed_file(self) -> Path | None:
        """Return the first file that is not there as it was; None while all are."""
        for path, identity in self.identities.items():
            if _identity(path) != identity:
                return path
        return None if self.file.stat().st_size == self.size else self.file

    def change_of(self, path: Path) -> str:
        """Put into words what became of a file of `changed_file`."""
        if path != self.file or self.descriptor is None:
            return "was replaced" if path.exists() else "was removed"
        if os.fstat(self.descriptor).st_nlink == 0:
            return "was replaced by another file" if path.exists() else "was removed"
        now = ""
        with suppress(OSError):
            now = os.readlink(f"/proc/self/fd/{self.descriptor}")
        if _identity(path) == self.identities[path]:
            return "was overwritten by another program"
        return f"was moved to {now}" if now else "was moved"

    def message(self, changed: Path, db: sqlite3.Connection) -> str:
        """Return one line on a changed file and the runs, which are stored if that is possible."""
        file, change = self.file, self.change_of(changed)
        count = db.execute("SELECT COUNT(DISTINCT run_key) FROM runs").fetchone()[0]
        runs = f"{count:,} finished run{'s' * (count != 1)}"
        head = f"{changed} {change} while runs were made, so that those in progress were ended"
        if changed == file and "moved to" not in change:
            return f"{head}: what it held is lost ({runs}); the same command makes them anew"
        with suppress(sqlite3.DatabaseError):  # the database has a name: all rows go into it
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if changed == file:
            return f"{head}: it holds {runs}; move it back, and the same command goes on from there"
        return f"{head}: {file} holds {runs}; the same command goes on from there"

    def close(self) -> None:
        """Close the descriptor."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def _identity(file: Path | int) -> tuple[int, int] | None:
    """Return (device, inode) of a path or a descriptor; None if there is no such file."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino
