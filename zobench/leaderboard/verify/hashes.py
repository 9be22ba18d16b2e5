"""Hashes of a leaderboard row: over what its runs are, and over what came of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

import numpy as np

from zobench.harness.chosen import identity
from zobench.harness.plan import RunSpec
from zobench.results.frame import Frame

ABOUT = ["dimension", "group", "method"]  # what tells the rows of one export apart


def settings_hash(specs: Iterable[RunSpec]) -> str:
    """16 hex digits of SHA-256 over everything that defines the runs of one estimator.

    That is, for each problem: suite and its version; the problem's id, objective, version,
    settings, instances, budget, targets and scored point; the estimator's name, version and all of
    its settings. Repetitions are not part of it, nor are limits, labels, the order of the runs, or
    the folder of a user's file. "" without runs. Known without running anything.
    """
    kinds = {(id(spec.problem), id(spec.estimator)): spec for spec in specs}  # most are repetitions
    cells = sorted({_cell(spec) for spec in kinds.values()})
    return hashlib.sha256("\n".join(cells).encode()).hexdigest()[:16] if cells else ""


def data_hash(runs: Frame, hits: Frame) -> str:
    """16 hex digits of SHA-256 over what scores are computed from; no seconds, no memory.

    That is each run's key, status and queries, and its hits of targets. `runs` (one row per run)
    and `hits` are the data frames of `harness.tables`; hits of other runs do not count.
    """
    kept = runs[["run_key", "status", "queries"]].sort_values("run_key")
    reached = hits.loc[hits["run_key"].isin(list(kept["run_key"]))]
    order = ["run_key", "kind", "target_index"]
    reached = reached[[*order, "queries"]].sort_values(order)
    text = kept.to_csv(index=False) + reached.to_csv(index=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def with_hashes(
    rows: Frame, specs: Sequence[RunSpec], runs: Frame, hits: Frame, problems: Frame
) -> Frame:
    """Leaderboard rows with the columns settings_hash and data_sha256 filled, each for its row.

    `rows` is of `leaderboard_rows`; `specs`, `runs`, `hits` and `problems` what it was made of.
    """
    rows = rows.copy()
    for column in ("settings_hash", "data_sha256"):
        rows[column] = ""
    asked: dict[tuple[str, str], list[RunSpec]] = {}
    for spec in specs:
        asked.setdefault((spec.problem.id, spec.estimator.text), []).append(spec)
    made = runs.groupby(["problem", "estimator"], sort=False).indices
    reached = hits.groupby("run_key", sort=False).indices
    for index, row in rows.iterrows():
        here = (problems["dimension"] == row["dimension"]) & (problems["group"] == row["group"])
        cells = [(name, row["method"]) for name in problems.loc[here, "problem"].unique()]
        mine = [spec for cell in cells for spec in asked.get(cell, ())]
        rows.loc[index, "settings_hash"] = settings_hash(mine)
        places = [made[cell] for cell in cells if cell in made]
        these = runs.iloc[np.concatenate(places)] if places else runs[:0]
        found = [reached[key] for key in these["run_key"] if key in reached]
        their = hits.iloc[np.concatenate(found)] if found else hits[:0]
        rows.loc[index, "data_sha256"] = data_hash(these, their)
    return rows


def _cell(spec: RunSpec) -> str:
    p, e = spec.problem, spec.estimator
    parts = [
        *(spec.suite, spec.suite_version, p.id, identity(p.objective), p.version),
        *(p.settings, p.instances, p.budget, p.targets, p.scored),
        *(identity(e.entry), e.version, e.settings),
    ]
    return json.dumps(parts, sort_keys=True, default=str)
