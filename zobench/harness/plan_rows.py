"""Plans as rows of the tables `plans` and `problems`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from zobench.harness.plan import RunSpec
from zobench.harness.result import plain
from zobench.harness.tables import CellRuns

COLUMNS = (
    *("problem", "run_key", "estimator", "estimator_name", "estimator_version", "settings"),
    *("settings_from", "repetition", "instance", "seed", "limits"),
)
PLAN = f"INSERT INTO plans ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
_LATER = ("score_ratio", "tuned_on")
_LIMITS = ("repetitions", "time_limit", "memory_limit", "threads")  # of the plan, not the problem


def plan_rows(db: sqlite3.Connection, specs: Sequence[RunSpec]) -> Iterator[tuple]:
    """Yield rows of the table `plans` without their ids, and insert problems that are new."""
    problems: dict[int, tuple[int, str]] = {}  # many runs share their problem, and
    encoded: dict[int, tuple[str, str]] = {}  # their estimator: each is encoded once
    seeds: dict[tuple[int, int], int] = {}  # estimators share them
    for spec in specs:
        if (p := id(spec.problem)) not in problems:
            definition, limits = _split(spec)
            problems[p] = _problem_id(db, spec, definition), limits
        e = spec.estimator
        if id(e) not in encoded:
            settings = json.dumps(e.settings, default=plain)
            encoded[id(e)] = settings, json.dumps(e.settings_from)
        problem, limits = problems[p]
        first = (problem, spec.key, e.text, e.entry, e.version, *encoded[id(e)])
        instance = spec.problem.instance(spec.repetition)
        if (key := (p, spec.repetition)) not in seeds:
            seeds[key] = spec.problem_seed
        yield (*first, spec.repetition, instance, seeds[key], limits)


def new_plans(db: sqlite3.Connection, cells: CellRuns, rows: Iterable[tuple]) -> list[tuple]:
    """Return those of `rows` (of the table `plans`, without ids) that no shown row equals."""
    remaining = dict.fromkeys(rows)
    for id, *row in db.execute(f"SELECT id, {', '.join(COLUMNS)} FROM plans"):
        if id in cells:
            remaining.pop(tuple(row), None)
    return list(remaining)


def _problem_id(db: sqlite3.Connection, spec: RunSpec, definition: str) -> int:
    row = db.execute("SELECT id FROM problems WHERE json = ?", (definition,)).fetchone()
    if row is not None:
        return row[0]
    row = (spec.suite, spec.suite_version, spec.problem.id, spec.problem.group, definition)
    inserted = db.execute("INSERT INTO problems VALUES (NULL, ?, ?, ?, ?, ?)", row)
    assert inserted.lastrowid is not None
    return inserted.lastrowid


def _split(spec: RunSpec) -> tuple[str, str]:
    """Return what defines the problem, and its limits, as JSON."""
    problem = dict(vars(spec.problem))
    limits = {key: problem.pop(key) for key in _LIMITS}
    for key in _LATER:  # as before suites could set them: one definition, one row
        if not problem[key]:
            del problem[key]
    data = {"suite": spec.suite, "suite_version": spec.suite_version, "problem": problem}
    return json.dumps(data, sort_keys=True, default=plain), json.dumps(limits)
