"""Results as data frames. Each problem appears as it was last defined, each run as last made."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from zobench.errors import check_printable
from zobench.harness.chosen import EstimatorSpec
from zobench.harness.plan import RunSpec

if TYPE_CHECKING:
    import pandas as pd

# Joined with `plans`: with the view `cells` a second time, SQLite scans it once a row.
RUNS = """
    SELECT cells.run_key, suite, suite_version, problems.problem, "group", dimension, instance,
        estimator, estimator_name, settings, settings_from, repetition, seed, status, reason,
        queries, calls, samples, forward_equivalents,
        estimator_seconds + objective_seconds AS seconds, estimator_seconds, objective_seconds,
        peak_memory, memory_ratio, final_score, best_score, scores, scored, first_order,
        environment, started, describe, attempt
    FROM shown JOIN plans AS cells ON cells.id = shown.cell JOIN runs ON runs.id = shown.run
        JOIN problems ON problems.id = cells.problem
    ORDER BY cells.id
"""
NUMBERS = (
    *("queries", "calls", "samples", "forward_equivalents"),
    *("dimension", "instance", "peak_memory", "memory_ratio", "final_score", "best_score"),
    *("seconds", "estimator_seconds", "objective_seconds"),
)
HITS = """
    SELECT run_key, kind, target_index, target, hits.queries, hits.seconds
    FROM hits JOIN runs ON runs.id = hits.run WHERE hits.run IN (SELECT run FROM shown)
"""
TRACES = """
    SELECT run_key, rows FROM traces JOIN runs ON runs.id = traces.run
    WHERE traces.run IN (SELECT run FROM shown)
"""
PROBLEMS = """
    SELECT problems.id, suite, suite_version, problems.json, MAX(dimension), MAX(scored)
    FROM problems JOIN cells ON cells.problem = problems.id
        LEFT JOIN shown ON shown.cell = cells.id LEFT JOIN runs ON runs.id = shown.run
    GROUP BY problems.id
"""
SPECS = """
    SELECT problems.json, limits, estimator, estimator_name, estimator_version, settings,
        settings_from, repetition
    FROM cells JOIN problems ON problems.id = cells.problem ORDER BY cells.id
"""


def runs(db: sqlite3.Connection) -> pd.DataFrame:
    """One row a run, in the order of the plan.

    `estimator` is the name as typed, `estimator_name` what it stands for; `settings`,
    `settings_from`, `scores` and `describe` are JSON; `seconds` = estimator + objective seconds;
    `peak_memory` in bytes; `started` in UTC. What is unknown is NaN or None.
    """
    frame = _query(db, RUNS, NUMBERS)
    frame["first_order"] = frame["first_order"].astype(bool)
    return frame


def hits(db: sqlite3.Connection) -> pd.DataFrame:
    """One row a target that a run hit: run_key, kind, target_index, target, queries, seconds."""
    return _query(db, HITS, ("target", "queries", "seconds"))


def traces(db: sqlite3.Connection) -> pd.DataFrame:
    """One row a scored point: run_key, queries, seconds, score, best (evaluated; NaN: unknown)."""
    import pandas as pd

    found = db.execute(TRACES).fetchall()
    parts = [np.frombuffer(blob, "<f8").reshape(-1, 4) for _, blob in found]
    values = np.concatenate(parts) if parts else np.empty((0, 4))
    keys = np.repeat(np.array([key for key, _ in found], dtype=object), [len(p) for p in parts])
    return pd.DataFrame(
        {
            "run_key": keys,
            "queries": values[:, 0].astype(np.int64),
            "seconds": values[:, 1],
            "score": values[:, 2],
            "best": values[:, 3],
        }
    )


def problems(db: sqlite3.Connection) -> pd.DataFrame:
    """One row a target of a problem, of the kind that ends its runs.

    suite, suite_version, problem, group, dimension, budget, target_index, target, kind, objective,
    how (the targets were chosen). `dimension` is NaN until a run has built the problem.
    """
    import pandas as pd

    rows = []
    for _, suite, version, definition, dimension, scored in db.execute(PROBLEMS):
        p = json.loads(definition)["problem"]
        kind = p["scored"] or scored or "current"
        named = {"suite": suite, "suite_version": version, "problem": p["id"], "group": p["group"]}
        facts = {"dimension": dimension, "budget": p["budget"]}
        source = {"kind": kind, "objective": p["objective"], "how": p["how"]}
        for index, target in enumerate(p["targets"]):
            rows.append(named | facts | {"target_index": index, "target": target} | source)
    frame = pd.DataFrame(rows)
    frame["dimension"] = pd.to_numeric(frame["dimension"])
    return frame


def specs(db: sqlite3.Connection) -> list[RunSpec]:
    """The cells that are shown, whether their run was made or not."""
    about: dict[tuple[str, str], RunSpec] = {}  # many runs share their problem, and
    chosen: dict[tuple[str, ...], EstimatorSpec] = {}  # their estimator: each is read once
    result = []
    for definition, limits, *named, number in db.execute(SPECS):
        estimator = tuple(named)
        if estimator not in chosen:
            display, name, version, settings, origin = estimator
            check_printable(display)
            chosen[estimator] = EstimatorSpec(
                display, name, version, json.loads(settings), json.loads(origin)
            )
        if (definition, limits) not in about:
            data = json.loads(definition)
            for said in (data["suite"], data["problem"]["id"], data["problem"]["group"]):
                check_printable(said)
            data["problem"] |= json.loads(limits)
            data |= {"estimator": vars(chosen[estimator]), "repetition": number}
            about[definition, limits] = RunSpec.from_dict(data)
        first = about[definition, limits]
        result.append(
            RunSpec(first.suite, first.suite_version, first.problem, chosen[estimator], number)
        )
    return result


def _query(db: sqlite3.Connection, query: str, numbers: Iterable[str]) -> pd.DataFrame:
    """Columns `numbers` are NaN where unknown, also where all are. Raises ValueError for text."""
    import pandas as pd

    cursor = db.execute(query)
    names = [column[0] for column in cursor.description]
    frame = pd.DataFrame(cursor.fetchall(), columns=pd.Index(names))
    for name in numbers:
        frame[name] = pd.to_numeric(frame[name])
    return frame
