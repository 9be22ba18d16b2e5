"""Results as data frames. Each problem appears as it was last defined, each run as last made."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from zobench.errors import check_printable
from zobench.harness.estimator_spec import EstimatorSpec
from zobench.harness.plan import RunSpec, set_keys
from zobench.harness.schema import ADDED

if TYPE_CHECKING:
    import pandas as pd

# What a table of runs has from each table of the file. SQLite reads each from end to end, and the
# rows are joined here: its own joins of a hundred thousand runs take ten times as long.
OF_PLAN = (
    *("run_key", "instance", "estimator", "estimator_name", "settings", "settings_from"),
    *("repetition", "seed"),
)
OF_PROBLEM = ("suite", "suite_version", "problem", "group")
OF_RUN = (
    *("dimension", "status", "reason", "queries", "calls", "samples", "forward_equivalents"),
    *("seconds", "estimator_seconds", "objective_seconds", "peak_memory", "memory_ratio"),
    *("final_score", "best_score", "scores", "scored", "first_order", "environment", "started"),
    *("describe", "attempt", *ADDED),
)
COLUMNS = (
    *("run_key", "suite", "suite_version", "problem", "group", "dimension", "instance"),
    *("estimator", "estimator_name", "settings", "settings_from", "repetition", "seed", "status"),
    *("reason", "queries", "calls", "samples", "forward_equivalents", "seconds"),
    *("estimator_seconds", "objective_seconds", "peak_memory", "memory_ratio", "final_score"),
    *("best_score", "scores", "scored", "first_order", "environment", "started", "describe"),
    *("attempt", *ADDED),
)
NUMBERS = (
    *("queries", "calls", "samples", "forward_equivalents"),
    *("dimension", "instance", "peak_memory", "memory_ratio", "final_score", "best_score"),
    *("seconds", "estimator_seconds", "objective_seconds", "build_seconds", "score_seconds"),
    "state_bytes",
)

PART = 4096  # rows that are Python's objects at a time
CellRuns = dict[int, int | None]  # id of a plan -> id of its run, None where it was not made


def cell_runs(db: sqlite3.Connection) -> CellRuns:
    """The cells to show, in the order of the plan, and the last attempt of each.

    They are the latest row of each cell (problem, estimator, repetition), of the latest definition
    of each problem.
    """
    names = {id: name for id, *name in db.execute("SELECT id, suite, problem FROM problems")}
    last = dict(db.execute("SELECT run_key, id FROM runs ORDER BY id"))
    defined: dict[tuple[str, ...], int] = {}
    cells: dict[tuple[int, str, int], tuple[int, str]] = {}
    query = "SELECT id, problem, estimator, repetition, run_key FROM plans ORDER BY id"
    for id, problem, estimator, repetition, key in db.execute(query):
        defined[tuple(names[problem])] = problem
        cells[problem, estimator, repetition] = id, key
    latest = set(defined.values())
    latest_cells = sorted(cell for (problem, *_), cell in cells.items() if problem in latest)
    return {id: last.get(key) for id, key in latest_cells}


def runs(db: sqlite3.Connection, run_of_cell: CellRuns) -> pd.DataFrame:
    """One row per run, in the order of the plan.

    `estimator` is the name as typed, `estimator_name` what it stands for; `settings`,
    `settings_from`, `scores` and `describe` are JSON; `seconds` = estimator + objective seconds;
    `peak_memory` in bytes; `started` in UTC. What is unknown is NaN or None.
    """
    import pandas as pd

    seconds = "estimator_seconds + objective_seconds AS seconds"
    there = {row[1] for row in db.execute("PRAGMA table_info(runs)")}
    absent = {name: f"NULL AS {name}" for name in ADDED if name not in there}
    of_run = [seconds if name == "seconds" else absent.get(name, name) for name in OF_RUN]
    rows = db.execute(_select("plans", ("problem", *OF_PLAN)))
    columns = _columns(
        ((run_of_cell[id], *row) for id, *row in rows if run_of_cell.get(id) is not None),
        ("run", "of", *OF_PLAN),
        ("run", "of", *NUMBERS),
    )
    owners = {"of": columns.pop("of"), "run": columns.pop("run")}
    for owner, table, selected, names in (
        ("of", "problems", OF_PROBLEM, OF_PROBLEM),
        ("run", "runs", of_run, OF_RUN),
    ):
        # the rows shown alone: an earlier attempt without a number would make integers floats
        wanted = set(owners[owner].tolist())
        rows = (row for row in db.execute(_select(table, selected)) if row[0] in wanted)
        more = _columns(rows, ("id", *names), ("id", *NUMBERS))
        rows_of_more = np.searchsorted(more.pop("id"), owners[owner])
        for name, values in more.items():
            columns[name] = values.take(rows_of_more)
    columns["first_order"] = columns["first_order"].astype(bool)
    return pd.DataFrame({name: columns[name] for name in COLUMNS})


def hits(db: sqlite3.Connection, run_of_cell: CellRuns) -> pd.DataFrame:
    """One row per target that a run hit: run_key, kind, target_index, target, queries, seconds.

    `run_key` is categorical: there are many rows per run.
    """
    import pandas as pd

    names = ("run", "kind", "target_index", "target", "queries", "seconds")
    rows = db.execute(f"SELECT {', '.join(names)} FROM hits")
    columns = _columns(rows, names, ("run", "target_index", "target", "queries", "seconds"))
    owners = columns.pop("run")
    is_shown = _of_runs(owners, run_of_cell)
    if not is_shown.all():
        owners = owners[is_shown]
        columns = {name: values[is_shown] for name, values in columns.items()}
    return pd.DataFrame({"run_key": _keys(db, owners), **columns})


def hit_counts(db: sqlite3.Connection, keys: Iterable[str]) -> dict[tuple[str, str], int]:
    """Map (run_key, kind) to the number of targets that the last attempt of the run hit."""
    counts = {}
    query = """
        SELECT kind, COUNT(*) FROM hits
        WHERE run = (SELECT MAX(id) FROM runs WHERE run_key = ?) GROUP BY kind
    """
    for key in keys:
        counts |= {(key, kind): number for kind, number in db.execute(query, (key,))}
    return counts


def traces(db: sqlite3.Connection, run_of_cell: CellRuns) -> pd.DataFrame:
    """One row per scored point: run_key, queries, seconds, score, best (evaluated; NaN: unknown).

    `run_key` is categorical: there are many rows per run.
    """
    import pandas as pd

    shown_runs = {run for run in run_of_cell.values() if run is not None}
    owners, lengths, data = [], [], bytearray()
    for run, rows in db.execute("SELECT run, rows FROM traces ORDER BY run"):
        if run in shown_runs:
            owners.append(run)
            lengths.append(len(rows))
            data += rows
    counts = np.array(lengths, int)
    if (counts % 32).any():
        raise ValueError("a trace is cut off")
    values = np.frombuffer(data, "<f8").reshape(-1, 4)
    return pd.DataFrame(
        {
            "run_key": _keys(db, np.repeat(np.array(owners, int), counts // 32)),
            "queries": values[:, 0].astype(np.int64),
            "seconds": values[:, 1],
            "score": values[:, 2],
            "best": values[:, 3],
        }
    )


def problems(db: sqlite3.Connection, run_of_cell: CellRuns) -> pd.DataFrame:
    """One row per target of a problem, of the kind that ends its runs.

    suite, suite_version, problem, group, dimension, budget, target_index, target, kind, objective,
    how (the targets were chosen). `dimension` is NaN until a run has built the problem.
    """
    facts_of_run = {id: row for id, *row in db.execute("SELECT id, dimension, scored FROM runs")}
    dimensions: dict[int, list[int]] = {}
    kinds: dict[int, list[str]] = {}
    for id, problem in db.execute("SELECT id, problem FROM plans"):
        if id in run_of_cell:
            dimension, kind = facts_of_run.get(run_of_cell[id], (None, None))
            dimensions.setdefault(problem, []).extend([] if dimension is None else [dimension])
            kinds.setdefault(problem, []).extend([kind] if kind else [])
    rows = []
    query = "SELECT id, suite, suite_version, json FROM problems ORDER BY id"
    for id, suite, version, definition in db.execute(query):
        if id not in dimensions:
            continue
        p = json.loads(definition)["problem"]
        kind = p["scored"] or max(kinds[id], default="current")
        labels = {"suite": suite, "suite_version": version, "problem": p["id"], "group": p["group"]}
        facts = {"dimension": max(dimensions[id], default=None), "budget": p["budget"]}
        source = {"kind": kind, "objective": p["objective"], "how": p["how"]}
        for index, target in enumerate(p["targets"]):
            rows.append(labels | facts | {"target_index": index, "target": target} | source)
    names = (
        *("suite", "suite_version", "problem", "group", "dimension", "budget", "target_index"),
        *("target", "kind", "objective", "how"),
    )
    return _frame(rows or dict.fromkeys(names, ()), ("dimension",))


def specs(db: sqlite3.Connection, run_of_cell: CellRuns) -> list[RunSpec]:
    """The cells that are shown, whether their run was made or not."""
    about: dict[tuple[str, str], RunSpec] = {}  # many runs share their problem, and
    spec_of: dict[tuple[str, ...], EstimatorSpec] = {}  # their estimator: each is read once
    result = []
    texts = dict(db.execute("SELECT id, json FROM problems"))
    of_plan = (
        *("problem", "limits", "estimator", "estimator_name", "estimator_version", "settings"),
        *("settings_from", "repetition"),
    )
    for id, problem, limits, *cells, number in db.execute(_select("plans", of_plan)):
        if id not in run_of_cell:
            continue
        definition, estimator = texts[problem], tuple(cells)
        if estimator not in spec_of:
            text, entry, version, settings, origin = estimator
            check_printable(text)
            spec_of[estimator] = EstimatorSpec(
                text=text,
                entry=entry,
                version=version,
                settings=json.loads(settings),
                settings_from=json.loads(origin),
            )
        if (definition, limits) not in about:
            data = json.loads(definition)
            for name in (data["suite"], data["problem"]["id"], data["problem"]["group"]):
                check_printable(name)
            data["problem"] |= json.loads(limits)
            data |= {"estimator": vars(spec_of[estimator]), "repetition": number}
            about[definition, limits] = RunSpec.from_dict(data)
        first = about[definition, limits]
        result.append(
            RunSpec(
                suite=first.suite,
                suite_version=first.suite_version,
                problem=first.problem,
                estimator=spec_of[estimator],
                repetition=number,
            )
        )
    set_keys(result)
    return result


def _select(table: str, columns: Iterable[str]) -> str:
    """SQL: the id and these columns of all rows, in order."""
    columns_text = ", ".join(f'"{name}"' if name == "group" else name for name in columns)
    return f"SELECT id, {columns_text} FROM {table} ORDER BY id"


def _columns(
    rows: Iterable[Sequence[Any]], names: Sequence[str], numbers: Iterable[str]
) -> dict[str, Any]:
    """Column -> its values: `numbers` as arrays, NaN where unknown, others as Series of texts.

    Rows are taken a part at a time, and equal texts become one: as objects of Python, all rows at
    once would take several times the memory of the columns. Raises ValueError for text among
    `numbers`.
    """
    import pandas as pd

    rows, numeric = iter(rows), set(numbers).intersection(names)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    texts: dict[str, dict[Any, int]] = {name: {} for name in names if name not in numeric}
    while part := list(islice(rows, PART)):
        for name, values in zip(names, zip(*part)):
            if name in numeric:
                parts[name].append(_numbers(values))
            else:
                code_of = texts[name]
                codes = [code_of.setdefault(value, len(code_of)) for value in values]
                parts[name].append(np.array(codes, np.int32))
    columns: dict[str, Any] = {}
    for name in names:
        joined = np.concatenate(parts.pop(name) or [np.empty(0)])
        if name in numeric:
            columns[name] = joined
        else:
            columns[name] = pd.Series(list(texts[name])).array.take(joined.astype(np.int32))
    return columns


def _numbers(values: Sequence[Any]) -> np.ndarray:
    """An array of int64 or float64, NaN for None. Raises ValueError for text."""
    import pandas as pd

    array = np.array(values)
    if array.dtype.kind in "if":  # the quick way, where all are known
        return array
    return np.asarray(pd.to_numeric(pd.Series(values)))


def _of_runs(owners: np.ndarray, run_of_cell: CellRuns) -> np.ndarray:
    """Return True for each of these runs that is shown."""
    shown_runs = np.array([run for run in run_of_cell.values() if run is not None], int)
    return np.isin(owners, shown_runs)


def _keys(db: sqlite3.Connection, owners: np.ndarray) -> pd.Series:
    """The run_key of each of these runs, which are in ascending order; categorical."""
    import pandas as pd

    pairs = db.execute("SELECT id, run_key FROM runs ORDER BY id").fetchall()
    ids, keys = zip(*pairs) if pairs else ((), ())
    # a key has several attempts; the categories are in the order of texts
    codes, categories = pd.factorize(pd.Series(keys, dtype="str"), sort=True)
    index = np.searchsorted(np.array(ids, int), owners)
    return pd.Series(pd.Categorical.from_codes(codes[index], categories))


def _frame(columns: Any, numbers: Iterable[str]) -> pd.DataFrame:
    """Make a frame whose columns `numbers` are NaN if unknown. Raises ValueError for text."""
    import pandas as pd

    frame = pd.DataFrame(columns)
    for name in numbers:
        frame[name] = pd.to_numeric(frame[name])
    return frame
