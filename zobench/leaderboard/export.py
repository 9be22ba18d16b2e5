"""`zobench export`: the leaderboard of a suite, from a results folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zobench.analysis.leaderboard import leaderboard_rows
from zobench.errors import BadInput, unknown
from zobench.harness.chosen import baseline_file
from zobench.harness.files import one_at_a_time
from zobench.harness.plan import RunSpec
from zobench.harness.store import Store
from zobench.harness.suite import Suite
from zobench.harness.suite_file import load
from zobench.interchange.write_tables import plain_cells
from zobench.leaderboard.board_file import ROW, in_order, joined, lacking, read_board, save, written
from zobench.leaderboard.frozen import reference
from zobench.leaderboard.unrun import missing, whole_groups, with_unrun
from zobench.leaderboard.verify.columns import NONE, UNKNOWN
from zobench.leaderboard.verify.hashes import with_hashes
from zobench.results.frame import Frame
from zobench.results.results import Results, read
from zobench.results.versions import differing, needed, versions_of
from zobench.tune import record


@dataclass(frozen=True)
class Exported:
    """What an export came to. `file` has `rows` rows, of which `taken` are from these results."""

    file: Path
    rows: int
    taken: int
    stayed: list[str]  # methods whose rows the file holds already, of other runs
    others: list[str]  # problems with runs that are not as the suite says
    unbuilt: list[str]  # methods and groups of which no run built its problem
    bare: list[str]  # methods with rows that do not refer to the frozen runs yet
    missing: dict[str, list[str]]  # of these methods -> groups of the suite without a row
    differing: list[str]  # lines on packages of which the runs were made with several versions


def export(
    suite_name: str,
    folder: Path | None,
    out: Path | None,
    freeze: str = "",
    replace: Sequence[str] = (),
) -> Exported:
    """Add the rows of a results folder to the leaderboard of a suite.

    For columns see `analysis.leaderboard`. Runs count if they were made as the suite says: same
    version, budget, targets and settings. Rows are about all of the suite's problems of a dimension
    and group, also those that nobody ran, which lower the coverage. Rows that the file holds stay,
    but those of methods in `replace`. The speed-up is against <file>-reference.csv beside it, which
    `freeze` writes from that estimator's runs, once for a dimension and group. Raises BadInput.
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
    counts = _as_the_suite_says(stored, suite)
    specs = [spec for spec, yes in zip(stored, counts) if yes]
    others = dict.fromkeys(spec.problem.id for spec, yes in zip(stored, counts) if not yes)
    if not specs:
        raise BadInput(
            f"{folder} holds no runs of suite {suite.name!r} version {suite.version} with its own "
            "budgets and targets; make them with `zobench run`"
        )
    results = read(specs, folder, {}, [], traced=False, checked=True)
    if results.runs.empty:
        raise BadInput(f"no results in {str(folder)!r}: no run was made yet")
    names = [_from_here(str(name)) for name in results.runs["estimator"].unique()]
    again = [_from_here(name) for name in replace]
    for name in again:
        if name not in names:
            raise unknown("estimator with runs", name, names)
    frames = results.runs, results.hits, with_unrun(results.problems, suite)
    with one_at_a_time(out.parent):
        held = read_board(out) if out.is_file() else None
        frozen = reference(out, frames, freeze)
        rows = _rows(results, frames, suite, frozen)
        built = rows["dimension"].notna()
        unbuilt = [f"{row.method} on {row.group}" for row in rows[~built].itertuples()]
        rows = written(rows[built].astype({"dimension": int}))
        rows["method"] = [_from_here(name) for name in rows["method"]]
        rows = rows.drop_duplicates(ROW)  # of one file, named in two ways
        taken, stayed = len(rows), []
        if held is not None:
            rows, taken, stayed = joined(held, rows, again)
        save(in_order(rows), out)
    gaps = missing(rows, names, suite)
    return Exported(
        out, len(rows), taken, stayed, list(others), unbuilt, lacking(rows, frozen), gaps,
        differing(results),
    )  # fmt: skip


def _rows(
    results: Results,
    frames: tuple[Frame, Frame, Frame],
    suite: Suite,
    baseline: Frame | None,
) -> Frame:
    """All rows of the results, with their hashes."""
    parts: Any = results.runs.groupby(["estimator", "group"], sort=False)
    of_row = {key: _facts(results, part) for key, part in parts}
    facts = {"seed_root": f"{suite.name}/{suite.version}", "verified": "none"}
    rows: Frame = leaderboard_rows(
        *frames,
        facts | {"date": f"{datetime.now(UTC):%Y-%m-%d}"},
        of_row,
        baseline,
        asked={problem.id: problem.repetitions for problem in suite.problems},
    )
    return plain_cells(with_hashes(rows, whole_groups(results.specs, suite), *frames))


def _from_here(method: str) -> str:
    """A method of a file with the file's path from this folder, where it lies below."""
    stem, colon, rest = method.partition(".py:")
    if not colon:
        return method
    path, here = Path(f"{stem}.py"), Path.cwd()
    return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{rest}"


def _as_the_suite_says(specs: Sequence[RunSpec], suite: Suite) -> list[bool]:
    """Was each of the runs asked for as the suite does?"""
    asked = {problem.id: problem for problem in suite.problems}
    keys = ("objective", "version", "settings", "budget", "targets", "scored", "group", "instances")
    problems = {id(spec.problem): spec.problem for spec in specs}  # runs share them
    same = {
        key: p.id in asked and all(getattr(p, k) == getattr(asked[p.id], k) for k in keys)
        for key, p in problems.items()
    }
    return [
        (spec.suite, spec.suite_version) == (suite.name, suite.version)
        and same[id(spec.problem)]
        and spec.repetition < asked[spec.problem.id].repetitions
        for spec in specs
    ]


def _facts(results: Results, runs: Frame) -> dict[str, Any]:
    """What a row says beside its scores, from the runs of an estimator on a group."""
    origins = {o for text in set(runs["settings_from"]) for o in json.loads(text).values()}
    tuned = "baseline" in origins
    name, suite, group = (runs[key].iloc[0] for key in ("estimator_name", "suite", "group"))
    effort = record.trials(baseline_file(suite, name), group) if tuned else 0
    places = [results.environments[key] for key in dict.fromkeys(runs["environment"])]

    def said(values: Iterable[Any]) -> str:
        """What the environments say, each value once."""
        return " | ".join(dict.fromkeys(str(value or UNKNOWN) for value in values))

    def version(package: str) -> str:
        return said(versions_of(place).get(package) for place in places)

    packages = sorted(needed(results, runs) - {"numpy"})  # which has a column of its own
    return {
        "version": said(place.get("zobench") for place in places),
        "git_sha": said(place.get("commit") for place in places),
        "track": "tuned" if tuned else "user" if "user" in origins else "default",
        "tuning_effort": effort or 0,
        **{key: said(p.get(key) for p in places) for key in ("cpu", "threads", "os", "python")},
        "numpy": version("numpy"),
        "packages": "; ".join(f"{name} {version(name)}" for name in packages) or NONE,
    }
