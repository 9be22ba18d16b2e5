"""What is asked for, as rows of the tables `plans` and `problems`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from zobench.harness.plan import RunSpec
from zobench.harness.result import plain
from zobench.harness.tables import Shown

COLUMNS = (
    *("problem", "run_key", "estimator", "estimator_name", "estimator_version", "settings"),
    *("settings_from", "repetition", "instance", "seed", "limits"),
)
PLAN = f"INSERT INTO plans ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
_UNDEFINING = ("repetitions", "time_limit", "memory_limit", "threads")  # kept with the plan


def plan_rows(db: sqlite3.Connection, specs: Sequence[RunSpec]) -> Iterator[tuple]:
    """Rows of table `plans`, but for their ids; notes the problems that are new."""
    problems: dict[int, tuple[int, str]] = {}  # many runs share their problem, and
    chosen: dict[int, tuple[str, str]] = {}  # their estimator: each is written once
    seeds: dict[tuple[int, int], int] = {}  # estimators share them
    for spec in specs:
        if (p := id(spec.problem)) not in problems:
            definition, limits = _split(spec)
            problems[p] = _problem_id(db, spec, definition), limits
        e = spec.estimator
        if id(e) not in chosen:
            settings = json.dumps(e.settings, default=plain)
            chosen[id(e)] = settings, json.dumps(e.settings_from)
        problem, limits = problems[p]
        named = (problem, spec.key, e.text, e.entry, e.version, *chosen[id(e)])
        instance = spec.problem.instance(spec.repetition)
        if (of := (p, spec.repetition)) not in seeds:
            seeds[of] = spec.problem_seed
        yield (*named, spec.repetition, instance, seeds[of], limits)


def missing(db: sqlite3.Connection, shown: Shown, rows: Iterable[tuple]) -> list[tuple]:
    """Those of `rows`, of the table of plans but for the id, that no shown cell is equal to."""
    wanted = dict.fromkeys(rows)
    for id, *row in db.execute(f"SELECT id, {', '.join(COLUMNS)} FROM plans"):
        if id in shown:
            wanted.pop(tuple(row), None)
    return list(wanted)


def _problem_id(db: sqlite3.Connection, spec: RunSpec, definition: str) -> int:
    known = db.execute("SELECT id FROM problems WHERE json = ?", (definition,)).fetchone()
    if known is not None:
        return known[0]
    row = (spec.suite, spec.suite_version, spec.problem.id, spec.problem.group, definition)
    made = db.execute("INSERT INTO problems VALUES (NULL, ?, ?, ?, ?, ?)", row)
    assert made.lastrowid is not None
    return made.lastrowid


def _split(spec: RunSpec) -> tuple[str, str]:
    """(what defines the problem, the rest of it), as JSON."""
    problem = dict(vars(spec.problem))
    limits = {key: problem.pop(key) for key in _UNDEFINING}
    data = {"suite": spec.suite, "suite_version": spec.suite_version, "problem": problem}
    return json.dumps(data, sort_keys=True, default=plain), json.dumps(limits)
