"""Checksums of all rows: a row that was changed or damaged is reported, and never shown."""

from __future__ import annotations

import hashlib
import marshal
import sqlite3
import zlib
from typing import Any

from zobench.harness.schema import ADDED, ADDED_IN

# Kind -> (the table, its key, SQL for more that belongs to a row): a run has hits and a trace.
KINDS = {
    "environment": ("environments", "rowid", ""),
    "problem": ("problems", "id", ""),
    "plan": ("plans", "id", ""),
    "run": (
        "runs",
        "id",
        ", (SELECT checksum_of(kind, target_index, target, queries, seconds) FROM hits"
        " WHERE hits.run = t.id), (SELECT rows FROM traces WHERE traces.run = t.id)",
    ),
}


def add_checksums(db: sqlite3.Connection, after: dict[str, int]) -> None:
    """Add the checksums of all rows that are newer than the id `after[kind]`."""
    for kind, (table, key, _) in KINDS.items():
        query = f"SELECT ?, t.{key}, {_checksum_of(db, kind)} FROM {table} AS t WHERE t.{key} > ?"
        db.execute(f"INSERT INTO checks {query}", (kind, after.get(kind, 0)))


def newest(db: sqlite3.Connection) -> dict[str, int]:
    """Return kind -> the id of its newest row; 0 without any."""
    return {
        kind: db.execute(f"SELECT COALESCE(MAX({key}), 0) FROM {table}").fetchone()[0]
        for kind, (table, key, _) in KINDS.items()
    }


def fingerprint_of(db: sqlite3.Connection) -> str:
    """Return a hash of the checksums of all rows; it changes if a row changes."""
    rows = db.execute("SELECT kind, id, checksum FROM checks ORDER BY kind, id").fetchall()
    return hashlib.blake2b(marshal.dumps(rows, 2), digest_size=16).hexdigest()


def misfits(db: sqlite3.Connection) -> dict[str, list[int]]:
    """Return kind -> the ids whose row and checksum do not fit, or of which one is missing."""
    result: dict[str, list[int]] = {}
    for kind, (table, key, _) in KINDS.items():
        changed = f"""
            SELECT t.{key} FROM {table} AS t NOT INDEXED
            LEFT JOIN checks ON checks.kind = ? AND checks.id = t.{key}
            WHERE checks.checksum IS NOT {_checksum_of(db, kind)}
            UNION SELECT id FROM checks WHERE kind = ? AND id NOT IN (SELECT {key} FROM {table})
        """
        if ids := [id for (id,) in db.execute(changed, (kind, kind))]:
            result[kind] = ids
    return result


def check_pages(db: sqlite3.Connection) -> None:
    """Raise sqlite3.DatabaseError if SQLite finds the file itself damaged."""
    report = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if report != "ok":
        raise sqlite3.DatabaseError(" ".join(report.split()))


def is_sound(db: sqlite3.Connection, kind: str, id: int) -> bool:
    """Return True if a row can be read and fits its checksum."""
    table, key, _ = KINDS[kind]
    query = f"SELECT {_checksum_of(db, kind)} FROM {table} AS t WHERE t.{key} = ?"
    stored = "SELECT checksum FROM checks WHERE kind = ? AND id = ?"
    try:
        row = db.execute(query, (id,)).fetchone()
        return row is not None and row == db.execute(stored, (kind, id)).fetchone()
    except sqlite3.DatabaseError:
        return False


def register(db: sqlite3.Connection) -> None:
    """Add the SQL functions that the queries here use to a connection."""
    db.create_function("checksum", -1, _checksum, deterministic=True)
    db.create_function("checksum_with", -1, _checksum_with, deterministic=True)
    db.create_aggregate("checksum_of", 5, _RowsChecksum)  # type: ignore[arg-type]


def _checksum(*values: Any) -> int:
    """Return CRC-32 of the values: in format 2, marshal writes equal values as equal bytes."""
    return zlib.crc32(marshal.dumps(values, 2))


def _checksum_with(checksum: int, *added: Any) -> int:
    """Return the checksum of a row with columns that later layouts add, if any is not empty."""
    return checksum if all(value is None for value in added) else _checksum(checksum, *added)


class _RowsChecksum:
    """The checksum of several rows in any order."""

    def __init__(self) -> None:
        self.checksums: list[int] = []

    def step(self, *values: Any) -> None:
        self.checksums.append(_checksum(*values))

    def finalize(self) -> int:
        return _checksum(*sorted(self.checksums))


def _checksum_of(db: sqlite3.Connection, kind: str) -> str:
    """Return SQL for the checksum of a row of the table `t` and of what belongs to it."""
    table, _, more = KINDS[kind]
    names = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    first = [f't."{name}"' for name in names if name not in ADDED]
    checksum = f"checksum({', '.join(first)}{more})"
    for columns in ADDED_IN.values():  # layout by layout, as rows of each were written
        added = [f't."{name}"' for name in names if name in columns]
        checksum = f"checksum_with({', '.join([checksum, *added])})" if added else checksum
    return checksum
