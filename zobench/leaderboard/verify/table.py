"""A leaderboard file as text: parsed line by line, never evaluated; faults name row and column."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from zobench.errors import BadInput
from zobench.spreadsheet import FORMULA

LARGEST = 20_000_000  # bytes of a file
LONGEST = 20_000  # characters of a line
CELL = 300  # characters of a cell


@dataclass(frozen=True)
class Line:
    """A line of the file: its number, as an editor or a spreadsheet shows it, and its cells."""

    row: int
    cells: dict[str, str]  # column -> text; empty where the line could not be read
    fault: str = ""  # "column ...: what is wrong" with the text itself


@dataclass(frozen=True)
class Table:
    """A CSV file: the columns of its head, and a line for every row that is not empty."""

    file: Path
    columns: tuple[str, ...]
    lines: list[Line]


def read_table(file: Path) -> Table:
    """Read a CSV file. Raises BadInput if it is unreadable, too large, not text, or has no head.

    A row that is wrong is kept with its fault, so that every row is told of.
    """
    try:
        if file.stat().st_size > LARGEST:
            raise BadInput(f"{file} has more than {LARGEST:,} bytes: no leaderboard is that large")
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadInput(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        row = error.object.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{file} row {row}: no UTF-8 text") from error
    texts = [line.removesuffix("\r") for line in text.split("\n")]
    head, fault = _cells(texts[0])
    if fault or not any(head):
        raise BadInput(f"{file} row 1: {fault or 'no names of columns'}")
    for number, name in enumerate(head, 1):
        if fault := _fault(name) or (
            "" if name and head.count(name) == 1 else "no name of its own"
        ):
            raise BadInput(f"{file} row 1, column {number}: {fault}")
    lines = [_line(row, line, head) for row, line in enumerate(texts[1:], 2) if line]
    return Table(file, tuple(head), lines)


def short(text: str) -> str:
    """What a message quotes of a cell: printable, on one line, not long."""
    shown = repr(text)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."


def _line(row: int, text: str, head: list[str]) -> Line:
    cells, fault = _cells(text)
    if fault:
        return Line(row, {}, fault)
    if len(cells) != len(head):
        return Line(row, {}, f"{len(cells)} cells, but there are {len(head)} columns")
    for name, cell in zip(head, cells):
        if fault := _fault(cell):
            return Line(row, {}, f"column {name}: {fault}")
    return Line(row, dict(zip(head, cells)))


def _cells(text: str) -> tuple[list[str], str]:
    """(the cells of one line, what is wrong with it); no cell goes on in the next line."""
    if len(text) > LONGEST:
        cells = text.split(",")
        longest = max(range(len(cells)), key=lambda i: len(cells[i]))
        return [], f"{len(text):,} characters, most of them in cell {longest + 1}"
    try:
        return next(csv.reader([text], strict=True), []), ""
    except csv.Error as error:
        return [], f"no CSV: {error}"


def _fault(cell: str) -> str:
    """What is wrong with the text of a cell, whatever its column: ""."""
    if len(cell) > CELL:
        return f"{len(cell):,} characters, of at most {CELL}"
    for character in cell:
        if not character.isprintable():
            return f"the character {character!r}, which no cell may hold"
    if cell.startswith(FORMULA) and not _is_number(cell):
        return f"{short(cell)} is a formula for a spreadsheet"
    return ""


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
