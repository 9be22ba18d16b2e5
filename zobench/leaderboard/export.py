"""`zobench export`: the leaderboard of a suite, from a results folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zobench.analysis.leaderboard import leaderboard_rows
from zobench.analysis.runlengths import run_table
from zobench.errors import BadInput, unknown
from zobench.harness.baseline import read_baseline
from zobench.harness.files import one_at_a_time
from zobench.harness.plan import RunSpec
from zobench.harness.store import Store
from zobench.harness.suite import Suite
from zobench.harness.suite_file import load
from zobench.interchange.write_tables import plain_cells
from zobench.leaderboard.board_file import (
    KEY,
    as_written,
    in_order,
    merged,
    read_board,
    without_speedup,
    write_table,
)
from zobench.leaderboard.columns import NONE, UNKNOWN
from zobench.leaderboard.frozen import reference
from zobench.leaderboard.hashes import with_hashes, with_row_hashes
from zobench.leaderboard.unrun import groups_without_row, whole_groups, with_unrun
from zobench.results.results import Results, read
from zobench.results.versions import differing, packages_needed, versions_of

if TYPE_CHECKING:
    import pandas as pd

    from zobench.analysis.frames import Frames


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """The rows that an export wrote, and those that it left out."""

    file: Path
    n_rows: int  # of the file
    n_new: int  # of these, rows from these results
    unchanged: list[str]  # methods whose rows the file has already, of other runs
    departing: list[str]  # problems with runs that are not as the suite says
    unbuilt: list[str]  # methods and groups of which no run built its problem
    without_speedup: list[str]  # methods with rows that do not refer to the frozen runs yet
    missing: dict[str, list[str]]  # of these methods -> groups of the suite without a row
    differing: list[str]  # lines on packages of which the runs were made with several versions


def export(
    suite_name: str,
    folder: Path | None,
    out: Path | None,
    freeze: str = "",
    replace: Sequence[str] = (),
) -> ExportResult:
    """Add the rows of a results folder to the leaderboard of a suite.

    For columns see `analysis.leaderboard`. Runs count if they were made as the suite says: same
    version, budget, targets and settings. Rows are about all of the suite's problems of a dimension
    and group, also those that nobody ran, which lower the coverage. Rows of the file stay, except
    those of methods in `replace`. The speed-up is against NAME-reference.csv beside the file.

    Args:
        suite_name: the suite, by name or file.
        folder: the results folder; None: results/SUITE.
        out: the leaderboard; None: leaderboards/SUITE.csv.
        freeze: the estimator whose runs are written into NAME-reference.csv, once per dimension
            and group; "": none.
        replace: estimators whose rows are written anew.

    Raises:
        BadInput: an argument is wrong, or there is nothing to export.
    """
    suite = load(suite_name)
    folder = folder or Path("results") / suite.name
    out = out or Path("leaderboards") / f"{suite.name}.csv"
    with Store.open(folder, write=False) as store:
        stored = store.specs()
    if any(spec.estimator.imported for spec in stored):
        raise BadInput(
            f"{folder} holds imported data; a leaderboard is of runs that can be made again"
        )
    is_of_suite = _as_the_suite_says(stored, suite)
    specs = [spec for spec, yes in zip(stored, is_of_suite) if yes]
    departing = dict.fromkeys(spec.problem.id for spec, yes in zip(stored, is_of_suite) if not yes)
    if not specs:
        raise BadInput(
            f"{folder} holds no runs of suite {suite.name!r} version {suite.version} with its own "
            "budgets and targets; make them with `zobench run`"
        )
    results = read(specs, folder, {}, [], without=["traces"], checked=True)
    if results.runs.empty:
        raise BadInput(f"no results in {str(folder)!r}: no run was made yet")
    names = [_from_here(str(name)) for name in results.runs["estimator"].unique()]
    replaced = [_from_here(name) for name in replace]
    for name in replaced:
        if name not in names:
            raise unknown("estimator with runs", name, names)
    frames = changed(results.frames, problems=with_unrun(results.problems, suite))
    table = run_table(frames.runs, frames.hits, frames.problems)
    with one_at_a_time(out.parent):
        old = read_board(out) if out.is_file() else None
        frozen = reference(out, table, frames.problems, freeze)
        frozen_table = frozen.table if frozen else None
        rows = _rows(results, frames, table, suite, frozen_table)
        is_built = rows["dimension"].notna()
        cells = rows.loc[~is_built, ["method", "group"]].itertuples(index=False, name=None)
        unbuilt = [f"{method} on {group}" for method, group in cells]
        rows = as_written(rows.loc[is_built].astype({"dimension": int}))
        rows["method"] = [_from_here(name) for name in rows["method"]]
        rows = rows.drop_duplicates(KEY)  # of one file, named in two ways
        n_new, unchanged = len(rows), []
        if old is None:
            rows = with_row_hashes(rows)
        else:
            rows, n_new, unchanged = merged(old, rows, replaced)
        write_table(in_order(rows), out)
    return ExportResult(
        file=out,
        n_rows=len(rows),
        n_new=n_new,
        unchanged=unchanged,
        departing=list(departing),
        unbuilt=unbuilt,
        without_speedup=without_speedup(rows, frozen_table),
        missing=groups_without_row(rows, names, suite),
        differing=differing(results),
    )


def _rows(
    results: Results,
    frames: Frames,
    table: pd.DataFrame,
    suite: Suite,
    frozen: pd.DataFrame | None,
) -> pd.DataFrame:
    """Compute all rows of the results, with their hashes."""
    parts: Any = frames.runs.groupby(["estimator", "group"], sort=False)
    of_row = {key: _facts(results, part) for key, part in parts}
    facts = {"seed_root": f"{suite.name}/{suite.version}", "verified": "none"}
    rows = leaderboard_rows(
        frames.runs,
        frames.problems,
        table,
        facts | {"date": f"{datetime.now(UTC):%Y-%m-%d}"},
        of_row,
        frozen,
        planned={problem.id: problem.repetitions for problem in suite.problems},
    )
    specs = whole_groups(results.specs, suite)
    return plain_cells(with_hashes(rows, specs, frames))


def _from_here(method: str) -> str:
    """Name an estimator of a file by the path from this folder, if the file lies below it."""
    stem, colon, rest = method.partition(".py:")
    if not colon:
        return method
    path, here = Path(f"{stem}.py"), Path.cwd()
    return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{rest}"


def _as_the_suite_says(specs: Sequence[RunSpec], suite: Suite) -> list[bool]:
    """Return for each run whether it was made as the suite says."""
    of_suite = {problem.id: problem for problem in suite.problems}
    keys = ("objective", "version", "settings", "budget", "targets", "scored", "group", "instances")
    problems = {id(spec.problem): spec.problem for spec in specs}  # runs share them
    is_as_suite = {
        key: p.id in of_suite and all(getattr(p, k) == getattr(of_suite[p.id], k) for k in keys)
        for key, p in problems.items()
    }
    return [
        (spec.suite, spec.suite_version) == (suite.name, suite.version)
        and is_as_suite[id(spec.problem)]
        and spec.repetition < of_suite[spec.problem.id].repetitions
        for spec in specs
    ]


def _facts(results: Results, runs: pd.DataFrame) -> dict[str, Any]:
    """Return the cells beside the scores, from the runs of an estimator on a group."""
    origins = {o for text in set(runs["settings_from"]) for o in json.loads(text).values()}
    is_tuned = "baseline" in origins
    name, suite, group = (runs[key].iloc[0] for key in ("estimator_name", "suite", "group"))
    tuned_on = next(s.problem.tuned_on for s in results.specs if s.problem.group == group)
    effort = read_baseline(tuned_on or suite, name).trials(group) if is_tuned else 0
    environments = [results.environments[key] for key in dict.fromkeys(runs["environment"])]

    def cell(values: Iterable[Any]) -> str:
        """Join the values of several environments, each once."""
        return " | ".join(dict.fromkeys(str(value or UNKNOWN) for value in values))

    def version(package: str) -> str:
        return cell(versions_of(e).get(package) for e in environments)

    packages = sorted(packages_needed(results, runs) - {"numpy"})  # which has a column of its own
    return {
        "version": cell(e.get("zobench") for e in environments),
        "git_sha": cell(e.get("commit") for e in environments),
        "track": "tuned" if is_tuned else "user" if "user" in origins else "default",
        "tuning_effort": effort or 0,
        **{
            key: cell(e.get(key) for e in environments)
            for key in ("cpu", "threads", "os", "python")
        },
        "numpy": version("numpy"),
        "packages": "; ".join(f"{name} {version(name)}" for name in packages) or NONE,
    }
