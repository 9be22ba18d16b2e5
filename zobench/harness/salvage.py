"""The rows of a results file that SQLite cannot read, taken from its pages one by one.

Each page that has kept its form is read by itself, whatever became of the header, of the schema and
of the pages that lead to it (https://sqlite.org/fileformat2.html). What is read so may be wrong: a
row counts only where its checksum holds, see `checks.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from struct import unpack
from typing import Any

from zobench.harness.checks import KINDS, register
from zobench.harness.schema import ADDED_IN, SCHEMA

SIZE = 4096  # bytes of a page, as SQLite makes them
LEAF = 0x0D  # a page with rows of a table
INDEX, INNER = 0x0A, 0x02  # pages with rows of an index: at its ends, and inside
WAL = b"\x37\x7f\x06"  # how a sound side file begins
WAL_HEAD, FRAME_HEAD = 32, 24  # bytes
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}  # type of a value -> its bytes
_FAULTS = (IndexError, ValueError, OverflowError, KeyError)  # of what is not a row

StoredRow = tuple[int | None, list[Any]]  # its number, in a table that numbers rows; its values


def salvaged(file: Path) -> sqlite3.Connection:
    """A database in memory of the rows that can be read, damaged ones among them."""
    db = sqlite3.connect(":memory:")
    register(db)
    db.executescript(SCHEMA)
    names = ("problems", "plans", "runs", "traces")  # whose first column is the row's number
    columns = {len(db.execute(f"PRAGMA table_info({name})").fetchall()): name for name in names}
    width = next(count for count, name in columns.items() if name == "runs")
    sizes = [len(names) for names in ADDED_IN.values()]
    lacking = {sum(sizes[k:]) for k in range(len(sizes))}  # columns that earlier layouts lack
    with db:
        for number, row in _rows(_pages(file)):
            if number is None:
                table = {6: "hits", 3: "checks"}.get(len(row), "")
                if table == "checks" and row[0] not in KINDS:  # of an index
                    continue
            elif row[0] is None:
                absent = width - len(row)
                row = [number, *row[1:], *[None] * (absent if absent in lacking else 0)]
                table = columns.get(len(row), "")
            else:
                table, row = "environments (hash, json, rowid)" * (len(row) == 2), [*row, number]
            if table:
                marks = ", ".join("?" * len(row))
                db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)
    return db


def _pages(file: Path) -> dict[int, bytes]:
    """Number from 1 -> the page, as the side file that is not yet folded in has it, if it has."""
    data = file.read_bytes()
    pages = {at // SIZE + 1: data[at : at + SIZE] for at in range(0, len(data), SIZE)}
    side = file.with_name(file.name + "-wal")
    data = side.read_bytes() if side.is_file() else b""
    for at in range(WAL_HEAD, len(data), FRAME_HEAD + SIZE):
        frame = data[at : at + FRAME_HEAD + SIZE]
        if frame[8:16] == data[16:24] or data[:3] != WAL:  # else it is of a time before
            pages[int.from_bytes(frame[:4], "big")] = frame[FRAME_HEAD:]
    return pages


def _rows(pages: dict[int, bytes]) -> Iterator[StoredRow]:
    for number, page in pages.items():
        head = 100 if number == 1 else 0
        kind = page[head] if len(page) > head + 12 else 0
        if kind not in (LEAF, INDEX, INNER):
            continue
        first = head + (12 if kind == INNER else 8)
        for k in range(int.from_bytes(page[head + 3 : head + 5], "big")):
            at = int.from_bytes(page[first + 2 * k : first + 2 * k + 2], "big")
            try:
                yield _row(pages, page, at, kind)
            except _FAULTS:
                continue


def _row(pages: dict[int, bytes], page: bytes, at: int, kind: int) -> StoredRow:
    number = None
    length, at = _varint(page, at + (4 if kind == INNER else 0))
    if kind == LEAF:
        number, at = _varint(page, at)
        number -= (number >> 63) << 64
    most = SIZE - 35 if kind == LEAF else (SIZE - 12) * 64 // 255 - 23
    here = length
    if length > most:
        least = (SIZE - 12) * 32 // 255 - 23
        here = least + (length - least) % (SIZE - 4)
        here = here if here <= most else least
    parts, got = [page[at : at + here]], here
    more = page[at + here : at + here + 4]
    while got < length:
        rest = pages[int.from_bytes(more, "big")]
        more, part = rest[:4], rest[4 : 4 + length - got]
        if not part:
            raise ValueError("a page is cut")
        parts.append(part)
        got += len(part)
    payload = b"".join(parts)
    if len(payload) != length:
        raise ValueError("a page is cut")
    return number, _values(payload)


def _values(payload: bytes) -> list[Any]:
    end, at = _varint(payload, 0)
    types = []
    while at < end:
        kind, at = _varint(payload, at)
        types.append(kind)
    values, at = [], end
    for kind in types:
        size = _INTEGERS.get(kind) or (8 if kind == 7 else max(0, kind - 12) // 2)
        part = payload[at : at + size]
        if len(part) != size or kind in (10, 11):
            raise ValueError("a value is cut")
        values.append(_value(kind, part))
        at += size
    return values


def _value(kind: int, part: bytes) -> Any:
    if kind in (0, 8, 9):
        return {0: None, 8: 0, 9: 1}[kind]
    if kind < 7:
        return int.from_bytes(part, "big", signed=True)
    if kind == 7:
        return unpack(">d", part)[0]
    return part.decode() if kind % 2 else part


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return an integer that takes 1 to 9 bytes, and the position after it."""
    value = 0
    for k in range(8):
        byte = data[at + k]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + k + 1
    return value << 8 | data[at + 8], at + 9
