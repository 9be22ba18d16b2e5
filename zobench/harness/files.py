"""Files that are written whole or not at all: after a full disk or a kill, the old one is left."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zobench.errors import BadInput


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Make a folder, and wait until no other process is in this context for it.

    For files that are read, changed and written again. Raises BadInput if that is impossible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise BadInput(f"cannot write to {str(folder)!r}: {error.strerror}") from error
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write_whole(path: Path, text: str) -> None:
    """Write a file, and the folders it needs. Raises BadInput if that is impossible.

    The text goes into a file beside it, which then replaces it. A link, a pipe or a device is
    written directly, so that it stays one.
    """
    part = path.with_name(f".{path.name}.part")
    is_special = path.is_symlink() or (path.exists() and not path.is_file())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            (path if is_special else part).write_text(text, encoding="utf-8")
            if not is_special:
                part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(f"cannot write {path}: {error.strerror}") from error
