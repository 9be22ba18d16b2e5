"""Answers kept on disk: what was paid for once is never asked again, also after a crash."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from zobench.errors import BadInput


class Answers:
    """Scores by text, in one SQLite file that several processes may share.

    `identity` names all else that an answer depends on: model, label words, how they are read.
    """

    def __init__(self, path: str | Path, identity: str) -> None:
        """Makes the file and its folders. Raises BadInput where that cannot be done."""
        self.identity = identity
        where = Path(path).expanduser()
        try:
            where.parent.mkdir(parents=True, exist_ok=True)
            self.file = sqlite3.connect(where, timeout=60.0, isolation_level=None)
            self.file.execute("PRAGMA journal_mode = WAL")
            self.file.execute(
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, told TEXT)"
            )
        except (OSError, sqlite3.Error) as error:
            raise BadInput(f"cannot keep answers in {str(path)!r}: {error}") from error

    def __getitem__(self, text: str) -> list[float] | None:
        """The scores of a text, if they were ever told."""
        found = self.file.execute("SELECT told FROM answers WHERE key = ?", (self._key(text),))
        row = found.fetchone()
        return json.loads(row[0]) if row else None

    def keep(self, told: Mapping[str, Iterable[float]]) -> None:
        """Written at once, in one transaction."""
        rows = [(self._key(text), json.dumps(list(scores))) for text, scores in told.items()]
        self.file.execute("BEGIN IMMEDIATE")
        self.file.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", rows)
        self.file.execute("COMMIT")

    def _key(self, text: str) -> str:
        return hashlib.sha256(json.dumps([self.identity, text]).encode()).hexdigest()
