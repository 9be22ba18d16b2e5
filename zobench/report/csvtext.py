"""CSV files for spreadsheets: text that looks like a formula is marked as text."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from zobench.errors import BadInput
from zobench.spreadsheet import plain


def cell(value: Any) -> Any:
    """Return a value for CSV: "" for NaN; an apostrophe precedes text like a formula."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return plain(value)


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return the text of a CSV file (RFC 4180 quoting, lines end with a line feed)."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([cell(str(name)) for name in columns])
    writer.writerows([cell(value) for value in row] for row in rows)
    return out.getvalue()


def save(folder: Path, frames: Mapping[str, pd.DataFrame]) -> list[Path]:
    """Write each frame as <folder>/<name>.csv. Raises BadInput if a file cannot be written."""
    paths = []
    for name, frame in frames.items():
        path = folder / f"{name}.csv"
        text = csv_text(map(str, frame.columns), frame.itertuples(index=False, name=None))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise BadInput(f"cannot write {path}: {error.strerror}") from error
        paths.append(path)
    return paths
