"""A leaderboard as a file: rows that stay never change, not even in how a number is put."""

from __future__ import annotations

import io
from collections.abc import Collection
from pathlib import Path
from typing import Any

from zobench.api.frame import Frame
from zobench.errors import BadInput
from zobench.harness.files import write_whole

ROW = ["suite_version", "dimension", "group", "method"]  # what a row is about
RUNS = ["settings_hash", "data_sha256"]  # rows that agree in these are of the same runs


def as_text(file: Path | io.StringIO) -> Frame:
    """Cells as they are written. Raises BadInput where that is no table."""
    import pandas as pd

    try:
        return pd.read_csv(file, dtype=str, keep_default_na=False)
    except ValueError as error:  # empty, no text, no table
        raise BadInput(f"cannot read {file}: {error}") from error


def written(frame: Frame) -> Frame:
    """The cells of `frame` as `save` writes them."""
    return as_text(io.StringIO(_csv(frame)))


def save(frame: Frame, file: Path) -> None:
    """Write a table, whole or not at all."""
    write_whole(file, _csv(frame))


def joined(held: Frame, rows: Frame, replace: Collection[str]) -> tuple[Frame, int, list[str]]:
    """Rows `held` by a file with new `rows`: (all, new ones taken, methods that stay as they were).

    A row that the file holds already stays, unless its method is in `replace`, or it is of the same
    runs and only now has frozen runs to refer to. Named are the methods of new rows not taken that
    are of other runs.
    """
    import pandas as pd

    old, new = (frame.set_index(ROW) for frame in (held, rows))
    twin: Any = old.reindex(new.index)
    there = new.index.isin(old.index)
    same = (twin[RUNS] == new[RUNS]).all(axis=1).to_numpy()
    first = ((twin["baseline"] == "") & (new["baseline"] != "")).to_numpy()
    taken = ~there | rows["method"].isin(list(replace)).to_numpy() | (same & first)
    stays = ~old.index.isin(new.index[taken])
    left = dict.fromkeys(rows.loc[~taken & ~same, "method"])
    return pd.concat([held[stays], rows[taken]]), int(taken.sum()), list(left)


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
