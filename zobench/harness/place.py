"""The place of results while they are written: a file that was moved or removed is noticed."""

from __future__ import annotations

import os
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
