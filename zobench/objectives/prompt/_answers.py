"""Answers of a service, stored on disk so that no text is paid for twice, even after a crash."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zobench.errors import BadInput


class Answers:
    """Scores by text, in one SQLite file that several processes may share.

    `identity` states everything else that an answer depends on: the model, the label words, and how
    they are read.
    """

    def __init__(self, path: str | Path, identity: str) -> None:
        """Creates the file and its folders. Raises BadInput if that fails."""
        self.identity: str = identity
        self.path: str = str(path)
        full_path = Path(path).expanduser()
        with self._bad_input():
            full_path.parent.mkdir(parents=True, exist_ok=True)
            self.file: sqlite3.Connection = sqlite3.connect(
                full_path, timeout=60.0, isolation_level=None
            )
            self.file.text_factory = bytes  # damaged texts can be read
            self.file.execute("PRAGMA journal_mode = WAL")
            self.file.execute(
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, told TEXT)"
            )

    @contextmanager
    def _bad_input(self) -> Iterator[None]:
        """Turn errors of the file into BadInput."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise BadInput(f"cannot keep answers in {self.path!r}: {error}") from error

    def __getitem__(self, text: str) -> Any:
        """Return the stored answer for a text; None if there is none or it cannot be read."""
        with self._bad_input():
            row = self.file.execute(
                "SELECT told FROM answers WHERE key = ?", (self._key(text),)
            ).fetchone()
        try:
            return json.loads(row[0]) if row else None
        except (ValueError, TypeError, RecursionError):
            return None  # damaged, or written by another program

    def store(self, answers: Mapping[str, Iterable[float]]) -> None:
        """Write answers in one transaction."""
        rows = [(self._key(text), json.dumps(list(scores))) for text, scores in answers.items()]
        with self._bad_input():
            self.file.execute("BEGIN IMMEDIATE")
            self.file.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", rows)
            self.file.execute("COMMIT")

    def _key(self, text: str) -> str:
        return hashlib.sha256(json.dumps([self.identity, text]).encode()).hexdigest()
