"""Frozen runs beside a leaderboard, which its speed-ups refer to: do they fit their suite?"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import zobench
from zobench.errors import BadInput
from zobench.harness.plan import RunSpec
from zobench.harness.suite import Suite
from zobench.leaderboard.verify import expected
from zobench.leaderboard.verify.columns import same
from zobench.leaderboard.verify.form import suite_of
from zobench.leaderboard.verify.table import Table, short
from zobench.results.frame import Frame

COLUMNS = (
    "run_key", "problem", "instance", "estimator", "repetition", "seed", "group", "dimension",
    "budget", "kind", "target_index", "target", "length", "success", "at_start",
)  # fmt: skip
VERSION, FIRST = "version", "0.1.0"  # which zobench froze a run; that of files that do not say
KEY = r"[0-9a-f]{24}"  # the form of a run's key, whatever zobench made it
ENDING = "-reference"  # of the file's stem


def estimator_of(table: Table) -> str:
    """The estimator whose runs are frozen, "" where the file does not say."""
    return next((line.cells["estimator"] for line in table.lines if "estimator" in line.cells), "")


def earlier(table: Table) -> bool:
    """Were some of the runs frozen by an earlier zobench?"""
    return any(_earlier(line.cells) for line in table.lines)


def frame_of(file: Path) -> Frame:
    """The file as a run table. Raises BadInput where it is not one."""
    import numpy as np
    import pandas as pd

    numbers = ["target_index", "target", "length", "budget", "dimension"]
    try:
        table = pd.read_csv(file, compression=None)
        if missing := set(COLUMNS) - set(table.columns):
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
        table[numbers] = table[numbers].apply(pd.to_numeric)
        length, success = table["length"].to_numpy(float), table["success"].to_numpy()
        if success.dtype != bool or not np.all(length >= success):
            raise ValueError("success is not True or False, or length not a number of queries")
    except (ValueError, OSError) as error:
        raise BadInput(
            f"{file} holds no frozen runs: {error}; zobench verify --form-only {file}"
        ) from error
    return table.drop(columns=VERSION, errors="ignore")


def check_reference(table: Table, given: Suite | None) -> tuple[list[tuple[int, str]], int]:
    """(row, "column ...: what is wrong") for every row that does not fit; how many are unchecked.

    Nothing is run. Each run's key has to be that of a run of the suite, which ties it to the
    settings and versions of today; its final target has one row, others at most one. The key of a
    run that an earlier zobench froze is unchecked where it is of no run today; its other cells are
    those of the suite. Raises BadInput where it is not such a file.
    """
    for name in COLUMNS:
        if name not in table.columns:
            raise BadInput(f"{table.file} row 1: the column {name!r} is missing")
    method, faults = estimator_of(table), []
    suite = suite_of(table.file.stem.removesuffix(ENDING), given)
    planned = _planned(suite, method, table)
    places = {(run.problem.id, str(run.repetition)): run for run in planned.values()}
    seen: dict[tuple[str, int], float] = {}
    homes: dict[str, float] = {}
    older = 0
    strange: set[str] = set()  # keys of no run: told once each
    for line in table.lines:
        key = line.cells.get("run_key", "")
        if key in strange:
            continue
        formed = re.fullmatch(KEY, key) is not None
        if formed and not line.fault and key not in planned and _earlier(line.cells):
            place = line.cells["problem"], line.cells["repetition"]
            if place in places:
                planned[key] = places[place]
        if fault := line.fault or _fault(line.cells, method, planned, seen, homes):
            faults.append((line.row, fault))
            strange |= {key} - set(planned)
        else:
            older += planned[key].key != key
    if not faults:
        for key in dict.fromkeys(key for key, _ in seen):
            final = len(planned[key].problem.targets) - 1
            if (key, final) not in seen:
                faults.append((1, f"column target_index: run {key} lacks {final}, the final one"))
    return faults, older


def _earlier(cells: dict[str, str]) -> bool:
    """Was the run frozen by an earlier zobench?"""
    try:
        said, now = (
            [int(n) for n in version.split(".")]
            for version in (cells.get(VERSION, FIRST), zobench.__version__)
        )
    except ValueError:
        return False
    return said < now


def _planned(suite: Suite, method: str, table: Table) -> dict[str, RunSpec]:
    """Key -> run, for all runs of the suite, tuned or not. Raises BadInput."""
    try:
        chosen = expected.estimator_of(method)
        if chosen is None:
            raise BadInput("an estimator of a file cannot be what speed-ups refer to")
        found = {}
        for tuned in (False, True):
            for spec in expected.specs_of(suite, suite.problems, chosen, tuned):
                runs = (replace(spec, repetition=r) for r in range(spec.problem.repetitions))
                found |= {run.key: run for run in runs}
        return found
    except BadInput as error:
        raise BadInput(f"{table.file} row 2, column estimator: {error}") from error


def _fault(
    cells: dict[str, str],
    method: str,
    planned: dict[str, RunSpec],
    seen: dict[tuple[str, int], float],
    homes: dict[str, float],
) -> str:
    """`seen`: run and target -> length, `homes`: problem -> dimension, of the rows above."""
    if cells["estimator"] != method:
        return f"column estimator: {short(cells['estimator'])} among runs of {method!r}"
    spec = planned.get(cells["run_key"])
    if spec is None:
        key = short(cells["run_key"])
        if not re.fullmatch(KEY, cells["run_key"]):
            return f"column run_key: 24 hex digits, not {key}"
        return f"column run_key: {key} is not a run of {method} on {_suite(planned)}"
    problem, instance = spec.problem, spec.problem.instance(spec.repetition)
    for name, wanted in (
        ("problem", problem.id),
        ("group", problem.group),
        ("repetition", spec.repetition),
        ("seed", spec.problem_seed),
        ("budget", problem.budget),
        ("success", cells["success"] if cells["success"] in ("True", "False") else "True"),
        ("kind", problem.scored or cells["kind"]),
    ):
        if cells[name] != str(wanted):
            return f"column {name}: {short(cells[name])}, but {wanted} by its run"
    numbers = {}
    for name in ("instance", "dimension", "target_index", "target", "length"):
        try:
            numbers[name] = float(cells[name])
        except ValueError:
            return f"column {name}: a number, not {short(cells[name])}"
    if numbers["instance"] != (-1 if instance is None else instance):
        return f"column instance: {short(cells['instance'])}, but {instance} by its run"
    index = numbers["target_index"]
    if index not in range(len(problem.targets)):
        return f"column target_index: {short(cells['target_index'])} is not that of a target"
    target = problem.targets[int(index)]
    if not same(numbers["target"], target):
        return f"column target: {short(cells['target'])}, but {target:g} in the suite"
    if not 1 <= numbers["length"] <= problem.budget:
        return f"column length: from 1 to {problem.budget} queries, not {short(cells['length'])}"
    said = problem.settings.get("dim", homes.setdefault(problem.id, numbers["dimension"]))
    if numbers["dimension"] != said:
        return f"column dimension: {short(cells['dimension'])}, but {said:g} for {problem.id}"
    at_start = str(cells["success"] == "True" and numbers["length"] <= 1)
    if cells["at_start"] != at_start:
        return f"column at_start: {short(cells['at_start'])}, but {at_start} by length and success"
    if (cells["run_key"], int(index)) in seen:
        return f"column target_index: {index:.0f} for the second time"
    seen[cells["run_key"], int(index)] = numbers["length"]
    return ""


def _suite(planned: dict[str, RunSpec]) -> str:
    spec = next(iter(planned.values()))
    return f"suite {spec.suite} version {spec.suite_version}, as it is now"
