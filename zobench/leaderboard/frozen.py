"""Frozen runs beside a leaderboard: what its speed-ups refer to, written once and never changed."""

from __future__ import annotations

from pathlib import Path

import zobench
from zobench.errors import BadInput, unknown
from zobench.interchange.write_tables import plain_cells
from zobench.leaderboard.board_file import as_text, save, written
from zobench.leaderboard.verify.reference import FIRST, VERSION, frame_of
from zobench.results.frame import Frame


def reference(out: Path, frames: tuple[Frame, Frame, Frame], freeze: str) -> Frame | None:
    """The frozen run table, at the final targets, of the estimator that speed-ups refer to."""
    from zobench.analysis.runlengths import at_targets, run_table
    from zobench.analysis.targets import final_targets

    file = out.with_name(f"{out.stem}-reference.csv")
    if freeze:
        table = run_table(*frames)
        names = list(table["estimator"].unique())
        if freeze not in names:
            raise unknown("estimator with runs", freeze, names)
        kept: Frame = table[table["estimator"] == freeze]
        kept = plain_cells(at_targets(kept, final_targets(frames[2])))
        kept = kept.assign(**{VERSION: zobench.__version__})
        save(_longer(file, kept) if file.exists() else kept, file)
    return frame_of(file) if file.is_file() else None


def frozen_runs(suite: str, problems: Frame) -> Frame | None:
    """Runs frozen in leaderboards/ for the final targets of these `problems`; None without any.

    Only where budget, kind and target are still those of the frozen runs. Raises BadInput.
    """
    file = Path("leaderboards") / f"{suite}-reference.csv"
    if not file.is_file():
        return None
    same = ["problem", "target_index", "budget", "kind"]
    asked: Frame = problems[[*same, "target"]].rename(columns={"target": "asked"})
    found: Frame = frame_of(file).merge(asked, on=same)
    near = (found["target"] - found["asked"]).abs() <= 1e-5 * found["asked"].abs()
    return found[near].drop(columns="asked") if near.any() else None


def _longer(file: Path, found: Frame) -> Frame:
    """Frozen runs, then those found of the dimensions and groups that were not frozen before.

    Speed-ups of earlier rows are not about these, so that no row changes. Raises BadInput where
    there are none, or where another estimator is frozen.
    """
    import pandas as pd

    frozen = as_text(file)
    if VERSION not in frozen:
        frozen = frozen.assign(**{VERSION: FIRST})
    more = written(found)
    about = ["dimension", "group"]
    more = more[~more.set_index(about).index.isin(frozen.set_index(about).index)]
    if more.empty or set(frozen["estimator"]) != set(more["estimator"]):
        raise BadInput(f"{file} exists: a reference is frozen; raise the suite's version")
    return pd.concat([frozen, more])
