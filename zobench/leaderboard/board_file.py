"""Leaderboard CSV files: the only reader, the merge with new rows, and the writer.

A file is read line by line and never evaluated. A row that stays in a file keeps every character.
"""

from __future__ import annotations

import csv
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zobench.analysis.leaderboard import COLUMNS, LATER
from zobench.errors import BadInput, unknown
from zobench.harness.files import write_whole
from zobench.leaderboard.columns import COUNTS, POSITIVE, SHARES, cell_fault, quoted
from zobench.leaderboard.hashes import row_hash_fault, with_row_hashes
from zobench.spreadsheet import FORMULA

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 20_000_000  # bytes of a file
LONGEST = 20_000  # characters of a line
CELL = 300  # characters of a cell

KEY = ["suite_version", "dimension", "group", "method"]  # what a row is about, in one file
SPEEDUP = ["baseline", "baseline_sha256", "n_speedup", "speedup", "speedup_low", "speedup_high"]
RUNS = ["settings_hash", "data_sha256"]  # rows that agree in these are of the same runs
NUMBERS = (*SHARES, *COUNTS, *POSITIVE)


@dataclass(frozen=True)
class BoardRow:
    """A line of the file: its number, as editors and spreadsheets show it, and its cells."""

    number: int
    cells: dict[str, str]  # column -> text; empty if the line could not be read
    fault: str = ""  # "column ...: what is wrong" with the text itself


@dataclass(frozen=True)
class BoardTable:
    """A CSV file: the columns of its head, and a row for every line that is not empty."""

    file: Path
    columns: tuple[str, ...]
    rows: list[BoardRow]

    def fault(self, row: int, text: str) -> BadInput:
        """Return the error for a row of this file."""
        return BadInput(f"{self.file} row {row}: {text}")

    def check_board_columns(self) -> None:
        """Raise BadInput if the columns are not those of a leaderboard, in order."""
        for name in COLUMNS:
            if name not in (*self.columns, *LATER):
                raise self.fault(1, f"the column {name!r} is missing")
        for name in self.columns:
            if name not in COLUMNS:
                raise self.fault(1, str(unknown("column", name, COLUMNS)))
        order = [name for name in COLUMNS if name in self.columns]
        for name, column in zip(order, self.columns):
            if name != column:
                raise self.fault(1, f"the column {column!r} where {name!r} belongs")

    def frame(self) -> pd.DataFrame:
        """Return all cells as text, one row per row. Raise BadInput for one that is not read."""
        import pandas as pd

        for row in self.rows:
            if row.fault:
                raise self.fault(row.number, row.fault)
        return pd.DataFrame(
            [list(row.cells.values()) for row in self.rows], columns=list(self.columns), dtype=str
        )


def read_table(file: Path) -> BoardTable:
    """Read a CSV file of any columns; a row with a fault is kept with that fault.

    Raises:
        BadInput: the file is unreadable, too large, not text, or has no head.
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
    return _parsed(text, file)


def read_board(file: Path) -> pd.DataFrame:
    """Read a leaderboard whose every row is right in form: its cells as text, with all COLUMNS.

    Columns that the file is too old to have get the value "unknown".

    Raises:
        BadInput: the columns are not those of a leaderboard, a row cannot be read, a number is not
            one, a row was changed after its export, or two rows are about the same method and
            problems.
    """
    table = read_table(file)
    table.check_board_columns()
    frame = table.frame()
    for row in table.rows:
        for name in NUMBERS:
            if fault := cell_fault(name, row.cells[name]):
                text = f"column {name}: {fault}; zobench verify --form-only {file}"
                raise table.fault(row.number, text)
    for row in table.rows:
        if fault := row_hash_fault(row.cells):
            raise table.fault(row.number, fault)
    later_columns = {name: text for name, text in LATER.items() if name not in table.columns}
    frame = frame.assign(**later_columns).loc[:, list(COLUMNS)]
    is_double = frame.duplicated(KEY).to_numpy()
    if is_double.any():
        row = table.rows[int(is_double.argmax())].number
        raise table.fault(row, "the second about its method and problems; remove one")
    return frame


def write_table(frame: pd.DataFrame, file: Path) -> None:
    """Write a table, whole or not at all."""
    write_whole(file, _csv(frame))


def as_written(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of `frame` as the text that `write_table` would write."""
    return _parsed(_csv(frame), Path("the new rows")).frame()


def merged(
    old: pd.DataFrame, new: pd.DataFrame, replace: Collection[str]
) -> tuple[pd.DataFrame, int, list[str]]:
    """Merge the rows of a file with new ones.

    A row of the file stays, unless its method is in `replace`. One of the same runs that only now
    has frozen runs to refer to gets its speed-up, and nothing else.

    Args:
        old: the rows of the file, as text.
        new: the new rows, as text.
        replace: methods whose rows are written anew.

    Returns:
        All rows; how many of them are new; the methods of new rows that are not among them and are
        of other runs than the file's.
    """
    import pandas as pd

    old_rows, new_rows = (frame.set_index(KEY) for frame in (old, new))
    twin: Any = old_rows.reindex(new_rows.index)
    has_twin = new_rows.index.isin(old_rows.index)
    same_runs = (twin[RUNS] == new_rows[RUNS]).all(axis=1).to_numpy()
    first_speedup = ((twin["baseline"] == "") & (new_rows["baseline"] != "")).to_numpy()
    lasting = [name for name in COLUMNS if name not in (*KEY, *SPEEDUP)]
    replaces = new["method"].isin(list(replace)).to_numpy()
    gains, filled = same_runs & first_speedup & ~replaces, new.copy()
    filled.loc[gains, lasting] = twin.loc[gains, lasting].to_numpy()
    filled = with_row_hashes(filled)
    enters = ~has_twin | replaces | gains
    stays = ~old_rows.index.isin(new_rows.index[enters])
    others = dict.fromkeys(new.loc[~enters & ~same_runs, "method"])
    return pd.concat([old.loc[stays], filled.loc[enters]]), int(enters.sum()), list(others)


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by suite version, dimension and group, the best score first."""
    import pandas as pd

    number: Any = {
        name: pd.to_numeric(rows[name], errors="coerce") for name in ("dimension", "log_area")
    }
    order = pd.DataFrame({
        "version": rows["suite_version"],
        "dimension": number["dimension"],
        "group": rows["group"],
        "score": -number["log_area"],
    })  # fmt: skip
    order = order.reset_index(drop=True).sort_values(list(order.columns), kind="stable")
    return rows.iloc[order.index]


def without_speedup(rows: pd.DataFrame, frozen: pd.DataFrame | None) -> list[str]:
    """List methods with rows on problems of the frozen runs that do not refer to these."""
    if frozen is None:
        return []
    cases = set(zip(frozen["dimension"].astype(int).astype(str), frozen["group"]))
    is_frozen = np.array([c in cases for c in zip(rows["dimension"], rows["group"])], bool)
    bare = rows[is_frozen & (rows["baseline"] == "") & (rows["n_runs"] != "0")]
    return list(dict.fromkeys(bare["method"]))


def _csv(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False, float_format="%.6g")


def _parsed(text: str, file: Path) -> BoardTable:
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    head, fault = _cells(lines[0])
    if fault or not any(head):
        raise BadInput(f"{file} row 1: {fault or 'no names of columns'}")
    for number, name in enumerate(head, 1):
        if fault := _fault(name) or (
            "" if name and head.count(name) == 1 else "no name of its own"
        ):
            raise BadInput(f"{file} row 1, column {number}: {fault}")
    rows = [_row(number, line, head) for number, line in enumerate(lines[1:], 2) if line]
    return BoardTable(file, tuple(head), rows)


def _row(number: int, line: str, head: list[str]) -> BoardRow:
    cells, fault = _cells(line)
    if fault:
        return BoardRow(number, {}, fault)
    if len(cells) != len(head):
        return BoardRow(number, {}, f"{len(cells)} cells, but there are {len(head)} columns")
    is_short_text = len(line) <= CELL and line.isprintable()  # and so is every cell
    for name, cell in zip(head, cells):
        if is_short_text and not cell.startswith(FORMULA):
            continue
        if fault := _fault(cell):
            return BoardRow(number, {}, f"column {name}: {fault}")
    return BoardRow(number, dict(zip(head, cells)))


def _cells(line: str) -> tuple[list[str], str]:
    """Split one line: (its cells, what is wrong with it); no cell goes on in the next line."""
    if len(line) > LONGEST:
        cells = line.split(",")
        longest = max(range(len(cells)), key=lambda i: len(cells[i]))
        return [], f"{len(line):,} characters, most of them in cell {longest + 1}"
    if line and '"' not in line and line.isprintable():  # as csv reads it, in a tenth of the time
        return line.split(","), ""
    try:
        return next(csv.reader([line], strict=True), []), ""
    except csv.Error as error:
        return [], f"no CSV: {error}"


def _fault(cell: str) -> str:
    """Return what is wrong with the text of a cell, whatever its column: "" if nothing is."""
    if len(cell) > CELL:
        return f"{len(cell):,} characters, of at most {CELL}"
    if not cell.isprintable():
        character = next(c for c in cell if not c.isprintable())
        return f"the character {character!r}, which no cell may hold"
    if cell.startswith(FORMULA) and not _is_number(cell):
        return f"{quoted(cell)} is a formula for a spreadsheet"
    return ""


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
