"""A leaderboard as a file: rows that stay never change, not even in how a number is put."""

from __future__ import annotations

import io
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from zobench.analysis.leaderboard import COLUMNS, LATER
from zobench.errors import BadInput
from zobench.harness.files import write_whole
from zobench.results.frame import Frame

ROW = ["suite_version", "dimension", "group", "method"]  # what a row is about
SPEEDUP = [
    *("baseline", "baseline_sha256", "n_speedup"),
    *("speedup", "speedup_low", "speedup_high"),
]
RUNS = ["settings_hash", "data_sha256"]  # rows that agree in these are of the same runs


def as_text(file: Path | io.StringIO) -> Frame:
    """Cells as they are written. Raises BadInput where that is not a table."""
    import pandas as pd

    try:
        return pd.read_csv(file, dtype=str, keep_default_na=False, compression=None)
    except ValueError as error:  # empty, no text, no table
        raise BadInput(f"cannot read {file}: {error}") from error


def read_board(file: Path) -> Frame:
    """The rows of a leaderboard. Raises BadInput where its columns are others, or rows double.

    Columns that an earlier file lacks say that nothing is known.
    """
    held = as_text(file)
    if [name for name in COLUMNS if name not in LATER] == list(held.columns):
        held = held.assign(**LATER)[list(COLUMNS)]
    if list(held.columns) != list(COLUMNS):
        raise BadInput(f"{file} is not a leaderboard of this zobench: its columns differ")
    twice = held[ROW].duplicated().to_numpy()
    if twice.any():
        row = 2 + int(twice.argmax())
        raise BadInput(f"{file} row {row}: the second about its method and problems; remove one")
    return held


def lacking(rows: Frame, frozen: Frame | None) -> list[str]:
    """Methods with rows on problems of the `frozen` runs that do not refer to these."""
    if frozen is None:
        return []
    places = set(zip(frozen["dimension"].astype(int).astype(str), frozen["group"]))
    there = np.array([place in places for place in zip(rows["dimension"], rows["group"])], bool)
    bare = rows[there & (rows["baseline"] == "") & (rows["n_runs"] != "0")]
    return list(dict.fromkeys(bare["method"]))


def written(frame: Frame) -> Frame:
    """The cells of `frame` as `save` writes them."""
    return as_text(io.StringIO(_csv(frame)))


def save(frame: Frame, file: Path) -> None:
    """Write a table, whole or not at all."""
    write_whole(file, _csv(frame))


def joined(held: Frame, rows: Frame, replace: Collection[str]) -> tuple[Frame, int, list[str]]:
    """Rows `held` by a file with new `rows`: (all, new ones taken, methods that stay as they were).

    A row that the file holds already stays, unless its method is in `replace`. One of the same runs
    that only now has frozen runs to refer to gets its speed-up, and nothing else. Named are the
    methods of new rows not taken that are of other runs.
    """
    import pandas as pd

    old, new = (frame.set_index(ROW) for frame in (held, rows))
    twin: Any = old.reindex(new.index)
    there = new.index.isin(old.index)
    same = (twin[RUNS] == new[RUNS]).all(axis=1).to_numpy()
    first = ((twin["baseline"] == "") & (new["baseline"] != "")).to_numpy()
    kept = [name for name in COLUMNS if name not in (*ROW, *SPEEDUP)]
    again = rows["method"].isin(list(replace)).to_numpy()
    gains, filled = same & first & ~again, rows.copy()
    filled.loc[gains, kept] = twin.loc[gains, kept].to_numpy()
    taken = ~there | again | gains
    stays = ~old.index.isin(new.index[taken])
    left = dict.fromkeys(rows.loc[~taken & ~same, "method"])
    return pd.concat([held[stays], filled[taken]]), int(taken.sum()), list(left)


def in_order(rows: Frame) -> Frame:
    """By suite version, dimension and group, the best first."""
    import pandas as pd

    number: Any = {
        name: pd.to_numeric(rows[name], errors="coerce") for name in ("dimension", "log_area")
    }
    order: Frame = pd.DataFrame({
        "version": rows["suite_version"],
        "dimension": number["dimension"],
        "group": rows["group"],
        "score": -number["log_area"],
    })  # fmt: skip
    order = order.reset_index(drop=True).sort_values(list(order.columns), kind="stable")
    return rows.iloc[order.index]


def _csv(frame: Frame) -> str:
    return frame.to_csv(index=False, float_format="%.6g")
