"""A checksum of every row: a row that damage or a hand has changed is told, and never shown."""

from __future__ import annotations

import marshal
import sqlite3
import zlib
from typing import Any

# Kind -> (the table, its key, what else belongs to a row of it). A run is one with its hits and
# its trace.
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
    """Give every row that is newer than the id `after[kind]` its checksum."""
    for kind, (table, key, _) in KINDS.items():
        query = f"SELECT ?, t.{key}, {_checksum_of(db, kind)} FROM {table} AS t WHERE t.{key} > ?"
        db.execute(f"INSERT INTO checks {query}", (kind, after.get(kind, 0)))


def newest(db: sqlite3.Connection) -> dict[str, int]:
    """Kind -> the id of its newest row, 0 without any."""
    return {
        kind: db.execute(f"SELECT COALESCE(MAX({key}), 0) FROM {table}").fetchone()[0]
        for kind, (table, key, _) in KINDS.items()
    }


def misfits(db: sqlite3.Connection) -> dict[str, list[int]]:
    """Kind -> the ids whose row and checksum do not fit, or of which one is missing.

    Raises sqlite3.DatabaseError where the file itself is damaged.
    """
    found = check_pages(db)
    for kind, (table, key, _) in KINDS.items():
        changed = f"""
            SELECT t.{key} FROM {table} AS t NOT INDEXED
            LEFT JOIN checks ON checks.kind = ? AND checks.id = t.{key}
            WHERE checks.checksum IS NOT {_checksum_of(db, kind)}
            UNION SELECT id FROM checks WHERE kind = ? AND id NOT IN (SELECT {key} FROM {table})
        """
        if ids := [id for (id,) in db.execute(changed, (kind, kind))]:
            found[kind] = ids
    return found


def check_pages(db: sqlite3.Connection) -> dict[str, list[int]]:
    """Nothing, or raises sqlite3.DatabaseError where SQLite finds the file itself damaged."""
    said = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if said != "ok":
        raise sqlite3.DatabaseError(" ".join(said.split()))
    return {}


def sound(db: sqlite3.Connection, kind: str, id: int) -> bool:
    """Can this row be read, and does it fit its checksum?"""
    table, key, _ = KINDS[kind]
    query = f"SELECT {_checksum_of(db, kind)} FROM {table} AS t WHERE t.{key} = ?"
    stored = "SELECT checksum FROM checks WHERE kind = ? AND id = ?"
    try:
        row = db.execute(query, (id,)).fetchone()
        return row is not None and row == db.execute(stored, (kind, id)).fetchone()
    except sqlite3.DatabaseError:
        return False


def register(db: sqlite3.Connection) -> None:
    """Make the two functions of a connection that the queries here use."""
    db.create_function("checksum", -1, _checksum, deterministic=True)
    db.create_aggregate("checksum_of", 5, _Rows)  # type: ignore[arg-type]


def _checksum(*values: Any) -> int:
    """CRC-32 of the values: in format 2, marshal writes equal values as equal bytes."""
    return zlib.crc32(marshal.dumps(values, 2))


class _Rows:
    """The checksum of several rows, whatever their order."""

    def __init__(self) -> None:
        self.found: list[int] = []

    def step(self, *values: Any) -> None:
        self.found.append(_checksum(*values))

    def finalize(self) -> int:
        return _checksum(*sorted(self.found))


def _checksum_of(db: sqlite3.Connection, kind: str) -> str:
    """SQL: the checksum of a row of a kind, of the table `t`, and of what belongs to it."""
    table, _, more = KINDS[kind]
    columns = [f't."{row[1]}"' for row in db.execute(f"PRAGMA table_info({table})")]
    return f"checksum({', '.join(columns)}{more})"
