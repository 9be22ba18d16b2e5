"""Hashes of a leaderboard row: over what defines its runs, and over what came of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zobench.harness.plan import RunSpec, definition_text

if TYPE_CHECKING:
    import pandas as pd

    from zobench.analysis.frames import Frames


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
