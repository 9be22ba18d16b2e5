"""`zobench export`: the leaderboard of a suite, from a results folder."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zobench.api.frame import Frame
from zobench.api.making import read
from zobench.api.unrun import whole_groups, with_unrun
from zobench.api.verify.hashes import with_hashes
from zobench.api.verify.reference import frame_of
from zobench.errors import BadInput, unknown
from zobench.harness.chosen import baseline_file
from zobench.harness.files import write_whole
from zobench.harness.plan import RunSpec
from zobench.harness.suite import Suite, load
from zobench.interchange.write_tables import plain_cells
from zobench.tune import record

ROW = ["suite_version", "dimension", "group", "method"]  # what a row is about


def export(
    suite_name: str, folder: Path | None, out: Path | None, freeze: str = ""
) -> tuple[Path, int, int, list[str]]:
    """(the CSV file, its rows, estimators exported, problems with runs that do not count).

    For columns see `analysis.leaderboard`. Runs count if they were made as the suite says: same
    version, budget, targets and settings. Rows are about all of the suite's problems of a dimension
    and group, also those that nobody ran, which lower the coverage. Rows of other estimators and
    versions that the file holds stay. The speed-up is against <file>-reference.csv beside it, which
    `freeze` writes from that estimator's runs, once for a dimension and group. Raises BadInput.
    """
    import pandas as pd

    from zobench.analysis.leaderboard import COLUMNS, leaderboard_rows
    from zobench.harness.store import Store

    suite = load(suite_name)
    folder = folder or Path("results") / suite.name
    out = out or Path("leaderboards") / f"{suite.name}.csv"
    with Store.open(folder, write=False) as store:
        stored = store.specs()
        environments = store.environments()
    counts = [_as_the_suite_says(spec, suite) for spec in stored]
    specs = [spec for spec, yes in zip(stored, counts) if yes]
    others = dict.fromkeys(spec.problem.id for spec, yes in zip(stored, counts) if not yes)
    if not specs:
        raise BadInput(
            f"{folder} holds no runs of suite {suite.name!r} version {suite.version} with its own "
            "budgets and targets; make them with `zobench run`"
        )
    results = read(specs, folder, {}, [])
    if results.runs.empty:
        raise BadInput(f"no results in {str(folder)!r}: no run was made yet")
    frames = results.runs, results.hits, with_unrun(results.problems, suite)
    reference = _reference(out, frames, freeze)
    parts: Any = results.runs.groupby(["estimator", "group"], sort=False)
    of_row = {key: _facts(part, environments) for key, part in parts}
    rows: Frame = leaderboard_rows(
        *frames,
        {"seed_root": f"{suite.name}/{suite.version}", "date": f"{datetime.now(UTC):%Y-%m-%d}"}
        | {"verified": "none"},
        of_row,
        reference,
        asked={problem.id: problem.repetitions for problem in suite.problems},
    )
    rows = plain_cells(with_hashes(rows, whole_groups(results.specs, suite), *frames))
    rows = _as_text(io.StringIO(rows.to_csv(index=False, float_format="%.6g")))
    if out.is_file():
        kept = _as_text(out)
        if list(kept.columns) != list(COLUMNS):
            raise BadInput(f"{out} is no leaderboard of this zobench: its columns differ")
        old = kept.set_index(ROW).index.isin(rows.set_index(ROW).index)
        rows = pd.concat([kept[~old], rows])
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
    rows = rows.iloc[order.index]
    _save(rows, out)
    return out, len(rows), results.runs["estimator"].nunique(), list(others)


def _as_the_suite_says(spec: RunSpec, suite: Suite) -> bool:
    if (spec.suite, spec.suite_version) != (suite.name, suite.version):
        return False
    asked = next((p for p in suite.problems if p.id == spec.problem.id), None)
    if asked is None or spec.repetition >= asked.repetitions:
        return False
    same = ("objective", "version", "settings", "budget", "targets", "scored", "group", "instances")
    return all(getattr(spec.problem, key) == getattr(asked, key) for key in same)


def _reference(out: Path, frames: tuple[Frame, Frame, Frame], freeze: str) -> Frame | None:
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
        kept = at_targets(kept, final_targets(frames[2]))
        _save(_longer(file, kept) if file.exists() else kept, file)
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

    frozen = _as_text(file)
    more = _as_text(io.StringIO(found.to_csv(index=False, float_format="%.6g")))
    about = ["dimension", "group"]
    more = more[~more.set_index(about).index.isin(frozen.set_index(about).index)]
    if more.empty or set(frozen["estimator"]) != set(more["estimator"]):
        raise BadInput(f"{file} exists: a reference is frozen; raise the suite's version")
    return pd.concat([frozen, more])


def _facts(runs: Frame, environments: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What a row says beside its scores, from the runs of an estimator on a group."""
    origins = {o for text in runs["settings_from"] for o in json.loads(text).values()}
    tuned = "baseline" in origins
    name, suite, group = (runs[key].iloc[0] for key in ("estimator_name", "suite", "group"))
    effort = record.trials(baseline_file(suite, name), group) if tuned else 0
    places = [environments[key] for key in dict.fromkeys(runs["environment"])]

    def place(key: str) -> str:
        return " | ".join(dict.fromkeys(str(p.get(key, "")) for p in places))

    numpy = dict.fromkeys(str(p.get("packages", {}).get("numpy", "")) for p in places)
    return {
        "version": " | ".join(dict.fromkeys(str(p.get("zobench", "")) for p in places)),
        "git_sha": place("commit"),
        "track": "tuned" if tuned else "user" if "user" in origins else "default",
        "tuning_effort": effort or 0,
        **{key: place(key) for key in ("cpu", "threads", "os", "python")},
        "numpy": " | ".join(numpy),
    }


def _as_text(file: Path | io.StringIO) -> Frame:
    """Cells as they are written: rows that stay never change, not even in how a number is put."""
    import pandas as pd

    try:
        return pd.read_csv(file, dtype=str, keep_default_na=False)
    except ValueError as error:  # empty, no text, no table
        raise BadInput(f"cannot read {file}: {error}") from error


def _save(frame: Frame, file: Path) -> None:
    write_whole(file, frame.to_csv(index=False, float_format="%.6g"))
