"""Data frames as files: CSV that is safe in a spreadsheet, or parquet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zobench.errors import BadInput
from zobench.spreadsheet import plain

FEW = 4  # rows per text, at least


def plain_cells(frame: Any) -> Any:
    """Put an apostrophe before text that a spreadsheet would take for a formula."""
    from pandas.api.types import is_numeric_dtype

    frame = frame.copy()
    for name in frame.columns:
        if is_numeric_dtype(frame[name].dtype):
            continue
        values = frame[name].dropna().unique()  # texts repeat: each is checked once
        if any(isinstance(value, str) and plain(value) != value for value in values):
            frame[name] = frame[name].map(plain)
    return frame


def save_csv(frame: Any, path: Path) -> None:
    """Write one frame; a column of few different texts is written from these, which is faster."""
    from pandas.api.types import is_string_dtype

    frame = plain_cells(frame)
    for name in frame.columns:
        column = frame[name]
        if is_string_dtype(column) and column.nunique() < len(column) / FEW:
            frame[name] = column.astype("category")
    frame.to_csv(path, index=False)


def write_csv(frames: Mapping[str, Any], folder: Path) -> list[str]:
    """Write each frame as NAME.csv. Return the names of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        save_csv(frame, folder / f"{name}.csv")
    return [f"{name}.csv" for name in frames]


def write_parquet(frames: Mapping[str, Any], folder: Path) -> list[str]:
    """Write each frame as NAME.parquet. Raises BadInput without the package pyarrow."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise BadInput(
            "parquet needs the package pyarrow: pip install 'zobench[interchange]', "
            "or take --format csv"
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        repeated = frame.select_dtypes("category").columns
        frame = frame.astype(dict.fromkeys(repeated, "str"))
        frame.to_parquet(folder / f"{name}.parquet", index=False, engine="pyarrow")
    return [f"{name}.parquet" for name in frames]
