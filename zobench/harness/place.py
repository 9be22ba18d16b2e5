"""The place of results while they are written: a file that was moved or removed is noticed."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import IO


class Place:
    """The files of a results folder as a writer found them, and whether they are still there.

    SQLite goes on to write into a file that has lost its name: such rows are lost to the user.
    """

    def __init__(self, file: Path, lock: IO[str]) -> None:
        """`file`: the database, open in WAL mode. `lock`: the open file that keeps others away."""
        self.file, self.lock = file, Path(lock.name)
        self.held: int | None = None
        if hasattr(os, "O_PATH"):  # closing any other descriptor would drop SQLite's own locks
            self.held = os.open(file, os.O_PATH)
        self.known = {path: _identity(path) for path in (self.file, *self.sides)}
        self.known[self.lock] = _identity(lock.fileno())
        self.size = self.file.stat().st_size

    @property
    def sides(self) -> list[Path]:
        """The files that SQLite keeps beside the database while it is written."""
        return [self.file.with_name(self.file.name + end) for end in ("-wal", "-shm")]

    def written(self) -> None:
        """Note the size of the file: nobody but the writer changes it."""
        self.size = self.file.stat().st_size

    def lost(self) -> Path | None:
        """The first file that is not there as it was; None while all are."""
        for path, known in self.known.items():
            if _identity(path) != known:
                return path
        return None if self.file.stat().st_size == self.size else self.file

    def happened(self, path: Path) -> str:
        """What became of this file of `lost`, in words."""
        if path != self.file or self.held is None:
            return "was replaced" if path.exists() else "was removed"
        if os.fstat(self.held).st_nlink == 0:
            return "was replaced by another file" if path.exists() else "was removed"
        now = ""
        with suppress(OSError):
            now = os.readlink(f"/proc/self/fd/{self.held}")
        if _identity(path) == self.known[path]:
            return "was overwritten by another program"
        return f"was moved to {now}" if now else "was moved"

    def told(self, lost: Path, db: sqlite3.Connection) -> str:
        """One line on the file `lost`, and on the runs, which are kept where that can be."""
        file, what = self.file, self.happened(lost)
        count = db.execute("SELECT COUNT(DISTINCT run_key) FROM runs").fetchone()[0]
        runs = f"{count:,} finished run{'s' * (count != 1)}"
        head = f"{lost} {what} while runs were made, so that those in progress were ended"
        if lost == file and "moved to" not in what:
            return f"{head}: what it held is lost ({runs}); the same command makes them anew"
        with suppress(sqlite3.DatabaseError):  # the database has a name: all goes into it
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if lost == file:
            return f"{head}: it holds {runs}; move it back, and the same command goes on from there"
        return f"{head}: {file} holds {runs}; the same command goes on from there"

    def close(self) -> None:
        """Forget the file."""
        if self.held is not None:
            os.close(self.held)
            self.held = None


def _identity(file: Path | int) -> tuple[int, int] | None:
    """(device, inode) of a path or a descriptor; None where there is no such file."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino
