"""Answers kept on disk: what was paid for once is never asked again, also after a crash."""

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

    `identity` names all else that an answer depends on: model, label words, how they are read.
    """

    def __init__(self, path: str | Path, identity: str) -> None:
        """Makes the file and its folders. Raises BadInput where that cannot be done."""
        self.identity, self.path = identity, str(path)
        where = Path(path).expanduser()
        with self._told():
            where.parent.mkdir(parents=True, exist_ok=True)
            self.file = sqlite3.connect(where, timeout=60.0, isolation_level=None)
            self.file.text_factory = bytes  # texts that are damaged are read, too
            self.file.execute("PRAGMA journal_mode = WAL")
            self.file.execute(
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, told TEXT)"
            )

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise BadInput(f"cannot keep answers in {self.path!r}: {error}") from error

    def __getitem__(self, text: str) -> Any:
        """What was kept for a text; None where there is nothing, or nothing that can be read."""
        with self._told():
            row = self.file.execute(
                "SELECT told FROM answers WHERE key = ?", (self._key(text),)
            ).fetchone()
        try:
            return json.loads(row[0]) if row else None
        except (ValueError, TypeError, RecursionError):
            return None  # damaged, or not written by us

    def keep(self, told: Mapping[str, Iterable[float]]) -> None:
        """Written at once, in one transaction."""
        rows = [(self._key(text), json.dumps(list(scores))) for text, scores in told.items()]
        with self._told():
            self.file.execute("BEGIN IMMEDIATE")
            self.file.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", rows)
            self.file.execute("COMMIT")

    def _key(self, text: str) -> str:
        return hashlib.sha256(json.dumps([self.identity, text]).encode()).hexdigest()
