"""Hashes of a leaderboard row: of what defines its runs, of their results, and of its cells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zobench.analysis.leaderboard import COLUMNS, LATER
from zobench.harness.plan import RunSpec, definition_text
from zobench.leaderboard.columns import ROW_HASH, UNKNOWN, Cells
from zobench.leaderboard.releases import is_earlier

if TYPE_CHECKING:
    import pandas as pd

    from zobench.analysis.frames import Frames

SIGNED_SINCE = "0.2.0"  # the first release whose rows have a hash of their cells


def settings_hash(specs: Iterable[RunSpec]) -> str:
    """Hash everything that defines the runs of one estimator: 16 hex digits of SHA-256.

    That is, for each problem, `RunSpec.definition` with the settings of all instances. Repetitions
    are not part of it, nor are limits, labels, the order of the runs, or the folder of a user's
    file. Known without running anything. "" without runs.
    """
    distinct = {(id(spec.problem), id(spec.estimator)): spec for spec in specs}  # not repetitions
    lines = sorted({
        definition_text(spec.definition(spec.problem.settings, spec.problem.instances))
        for spec in distinct.values()
    })  # fmt: skip
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] if lines else ""


def data_hash(runs: pd.DataFrame, hits: pd.DataFrame) -> str:
    """Hash what scores are computed from, without seconds and memory: 16 hex digits of SHA-256.

    Args:
        runs: the runs of a row, as in `harness.tables`: their keys, statuses and queries count.
        hits: targets that runs hit, as in `harness.tables`; those of other runs do not count.
    """
    columns: Any = runs[["run_key", "status", "queries"]]
    columns = columns.sort_values("run_key")
    own: Any = hits.loc[hits["run_key"].isin(list(columns["run_key"]))]
    order = ["run_key", "kind", "target_index"]
    own = own[[*order, "queries"]].sort_values(order)
    text = columns.to_csv(index=False) + own.to_csv(index=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def row_hash(cells: Cells) -> str:
    """Hash the cells of a row as the file has them: 16 hex digits of SHA-256.

    The hash itself is not part of it, nor is `verified`, which a maintainer sets after a rerun. A
    cell with the value of a column that the file lacks counts as not there.
    """
    names = [name for name in COLUMNS if name not in (ROW_HASH, "verified")]
    present = [(n, cells[n]) for n in names if n in cells and cells[n] != LATER.get(n)]
    return hashlib.sha256(json.dumps(present).encode()).hexdigest()[:16]


def row_hash_fault(cells: Cells) -> str:
    """Return the fault of a row whose cells are not those that were exported, "" if they are.

    A row of an earlier zobench may have no hash.
    """
    stored, right = cells.get(ROW_HASH, UNKNOWN), row_hash(cells)
    if stored == right:
        return ""
    if stored != UNKNOWN:
        return (
            f"column {ROW_HASH}: {stored}, but {right} by the other cells: one was changed after "
            "the export; export the row again"
        )
    versions = cells["version"].split(" | ")
    if all(is_earlier(version, SIGNED_SINCE) for version in versions):
        return ""
    return f"column {ROW_HASH}: {UNKNOWN}, but rows have one since zobench {SIGNED_SINCE}"


def with_row_hashes(rows: pd.DataFrame) -> pd.DataFrame:
    """Fill the column row_sha256 of rows whose cells are text."""
    cells = rows.to_dict("records")
    return rows.assign(**{ROW_HASH: [row_hash(row) for row in cells]})  # pyright: ignore[reportArgumentType]


def with_hashes(rows: pd.DataFrame, specs: Sequence[RunSpec], frames: Frames) -> pd.DataFrame:
    """Fill the columns settings_hash and data_sha256 of leaderboard rows.

    Args:
        rows: of `leaderboard_rows`.
        specs: the runs that the suite has for these rows.
        frames: the runs that the rows were made of, their hits, and the problems of the rows.
    """
    runs: Any = frames.runs
    hits: Any = frames.hits
    problems = frames.problems
    rows = rows.copy()
    for column in ("settings_hash", "data_sha256"):
        rows[column] = ""
    specs_of: dict[tuple[str, str], list[RunSpec]] = {}
    for spec in specs:
        specs_of.setdefault((spec.problem.id, spec.estimator.text), []).append(spec)
    runs_of = runs.groupby(["problem", "estimator"], sort=False).indices
    hits_of = hits.groupby("run_key", sort=False).indices
    row: Any
    for index, row in rows.iterrows():
        is_row = (problems["dimension"] == row["dimension"]) & (problems["group"] == row["group"])
        cases = [(name, row["method"]) for name in problems.loc[is_row, "problem"].unique()]
        rows.loc[index, "settings_hash"] = settings_hash(
            spec for case in cases for spec in specs_of.get(case, ())
        )
        indices = [runs_of[case] for case in cases if case in runs_of]
        row_runs = runs.iloc[np.concatenate(indices)] if indices else runs[:0]
        indices = [hits_of[key] for key in row_runs["run_key"] if key in hits_of]
        row_hits = hits.iloc[np.concatenate(indices)] if indices else hits[:0]
        rows.loc[index, "data_sha256"] = data_hash(row_runs, row_hits)
    return rows
