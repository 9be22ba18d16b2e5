"""The data of a page's figures: hits and traces of all runs, in compact form."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from zobench.analysis.frames import score_name
from zobench.analysis.pareto import pareto
from zobench.analysis.runlengths import Unit
from zobench.harness.memory import give_back
from zobench.report.encode import NONE, lengths, packed, plain, scores
from zobench.report.ranks import rank_data
from zobench.report.source import Source
from zobench.report.tuning import tuning_data

ROWS = 600_000  # trace rows in a page; if there are more, each run keeps a part of its rows
FEWEST, MOST = 16, 240  # limits of the number of rows that a run keeps
LABELS = ("run_key", "problem", "estimator", "repetition", "status", "reason")
COLUMNS = ("queries", "seconds", "objective_seconds", "peak_memory", "final_score", "best_score")


def page_data(source: Source) -> dict[str, Any]:
    """Return estimators, problems, runs, hits and traces; `encode` defines their codes."""
    problems = _problems(source)
    order = {p["name"]: i for i, p in enumerate(problems)}
    problem_numbers = source.runs["problem"].map(order).to_numpy()
    columns = [name for name in (*LABELS, *COLUMNS) if name in source.runs]
    runs = (
        source.runs[columns].iloc[np.argsort(problem_numbers, kind="stable")].reset_index(drop=True)
    )
    give_back()
    traces = source.traces()
    tests, traced = rank_data(source, traces), _traces(runs, traces, problems)
    del traces  # most of the memory that a page takes
    give_back()
    return {
        "estimators": _estimators(source),
        "problems": problems,
        "runs": _runs(runs, order, source.estimators),
        "hits": {unit: _hits(source, runs, problems, unit) for unit in ("queries", "seconds")},
        "traces": traced,
        "meters": _meters(source, order),
        "pareto": _pareto(source, order),
        "tests": tests,
        "tuning": tuning_data(source.tuning),
    }


def _estimators(source: Source) -> list[dict[str, Any]]:
    ranks = {name: rank for rank, name in enumerate(source.ranked)}
    return [
        {"name": name, "reference": reference, "place": ranks[name]}
        for name, reference in source.references.items()
    ]


def _problems(source: Source) -> list[dict[str, Any]]:
    """Return the facts of each problem, with its targets from the easiest to the hardest."""
    rows = []
    for name, part in source.problems.sort_values("target_index", kind="stable").groupby(
        "problem", sort=False
    ):
        first = part.iloc[0]
        rows.append(
            {
                "name": str(name),
                "group": str(first["group"]),
                "dimension": plain(first["dimension"], 15),
                "budget": plain(first["budget"], 15),
                "kind": str(first["kind"]),
                "targets": [plain(value) for value in part["target"]],
                "score": score_name(source.runs.loc[source.runs["problem"] == name]),
            }
        )
    return rows


def _runs(runs: pd.DataFrame, order: dict[str, int], names: list[str]) -> dict[str, Any]:
    """Return columns: indices of problem, estimator, status and reason; numbers."""
    reasons = [text if isinstance(text, str) else "" for text in runs["reason"]]
    kinds = {column: list(dict.fromkeys(v)) for column, v in (("status", runs["status"]),
                                                              ("reason", reasons))}  # fmt: skip
    columns: dict[str, Any] = {
        "problem": [order[name] for name in runs["problem"]],
        "estimator": [names.index(name) for name in runs["estimator"]],
        "repetition": [int(number) for number in runs["repetition"]],
        "status": [kinds["status"].index(status) for status in runs["status"]],
        "reason": [kinds["reason"].index(reason) for reason in reasons],
    }
    for name in COLUMNS:
        values = runs[name] if name in runs else np.full(len(runs), np.nan)
        columns[name] = [plain(value, 5 if name != "queries" else 15) for value in values]
    return columns | {"statuses": kinds["status"], "reasons": kinds["reason"]}


def _hits(source: Source, runs: pd.DataFrame, problems: list[dict[str, Any]], unit: Unit) -> str:
    """Return a code per run and target of its problem, in the order of runs, then of targets."""
    sizes = np.array([len(p["targets"]) for p in problems], int)
    number = {p["name"]: i for i, p in enumerate(problems)}
    of_run = sizes[[number[name] for name in runs["problem"]]] if len(runs) else np.empty(0, int)
    begin = np.cumsum(of_run) - of_run
    codes = np.full(int(of_run.sum()), NONE, np.uint16)
    if len(runs):
        table = source.tables[unit]
        table = table.loc[table["success"]]
        row = pd.Series(begin, index=runs["run_key"])
        index = row.loc[table["run_key"]].to_numpy() + _index(source.problems, table)
        scale = 1.0 if unit == "queries" else 1e6
        codes[index] = lengths(table["length"].to_numpy(float) * scale)
    return packed(codes)


def _index(problems: pd.DataFrame, table: Any) -> np.ndarray:
    """Return the index of each row's target among the targets of its problem."""
    ranked = problems.assign(
        rank=problems.groupby("problem")["target_index"].rank(method="first").astype(int) - 1
    )
    keys = ranked.set_index(["problem", "target_index"])["rank"]
    return keys.loc[pd.MultiIndex.from_frame(table[["problem", "target_index"]])].to_numpy()


def _traces(
    runs: pd.DataFrame, traces: pd.DataFrame, problems: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the coded rows of all runs, and set `scale` of each problem: how to decode its scores.

    `rows` holds the number of rows per run.
    """
    most = int(np.clip(ROWS // max(len(runs), 1), FEWEST, MOST))
    groups = traces.groupby("run_key", sort=False, observed=True).indices
    empty = np.empty(0, int)
    rows_of_run = [groups.get(key, empty) for key in runs["run_key"]]
    thinned = [
        part[_kept_rows(len(part), most)] if len(part) > most else part for part in rows_of_run
    ]
    rows = np.concatenate(thinned).astype(int) if thinned else empty
    counts = np.array([len(part) for part in thinned], int)
    number_of = {p["name"]: i for i, p in enumerate(problems)}
    problem_of_row = np.repeat(
        np.array([number_of[name] for name in runs["problem"]], np.int32), counts
    )
    best = np.array([p["kind"] == "best" for p in problems], bool)
    value = traces["score"].to_numpy(float)[rows]
    if best.any():
        best_so_far = traces["best"].to_numpy(float)[rows]
        value = np.where(best[problem_of_row] & ~np.isnan(best_so_far), best_so_far, value)
    codes = np.full(len(rows), NONE, np.uint16)
    for number, problem in enumerate(problems):
        is_of_problem = problem_of_row == number
        codes[is_of_problem], problem["scale"] = scores(value[is_of_problem])
    return {
        "rows": packed(counts),
        "queries": packed(lengths(np.maximum(traces["queries"].to_numpy(float)[rows], 1.0))),
        "seconds": packed(lengths(traces["seconds"].to_numpy(float)[rows] * 1e6)),
        "score": packed(codes),
    }


@lru_cache(maxsize=1024)
def _kept_rows(count: int, most: int) -> np.ndarray:
    """Return the indices of `most` of `count` rows, evenly spaced; the first and last are kept."""
    return np.unique(np.rint(np.linspace(0, count - 1, most)).astype(int))


def _meters(source: Source, order: dict[str, int]) -> list[list[Any]]:
    """Return the costs per problem and estimator.

    Columns: problem, estimator, seconds per query, seconds of the estimator per query, peak bytes,
    memory ratio.
    """
    names = {name: i for i, name in enumerate(source.estimators)}
    numbers = ["seconds_per_query", "estimator_seconds_per_query", "peak_memory", "memory_ratio"]
    return [
        [order[row["problem"]], names[row["estimator"]], *(plain(row[n], 5) for n in numbers)]
        for row in source.summary.to_dict("records")
    ]


def _pareto(source: Source, order: dict[str, int]) -> dict[str, Any]:
    """Return targets and rows of the figure of time and memory.

    `targets`: [final, hardest reached] per problem. `rows`: problem, estimator, median peak bytes;
    then seconds, and 1 if on the Pareto front, for the final target and for the hardest reached.
    """
    rows = source.summary
    targets: list[list[Any]] = [[None, None] for _ in order]
    if not len(rows):
        return {"targets": targets, "rows": []}
    names = {name: i for i, name in enumerate(source.estimators)}
    for problem, *final_and_hardest in (
        rows[["problem", "final_target", "hardest_target"]].to_numpy().tolist()
    ):
        targets[order[problem]] = [plain(value) for value in final_and_hardest]
    final, hardest = pareto(rows, "final"), pareto(rows, "hardest")
    columns = (
        final["problem"], final["estimator"], final["memory"], final["seconds"], final["front"],
        hardest["seconds"], hardest["front"],
    )  # fmt: skip
    points = [
        [
            order[problem], names[estimator], plain(memory, 5),
            plain(seconds, 4), int(on_front),
            plain(seconds_hardest, 4), int(on_front_hardest),
        ]
        for problem, estimator, memory, seconds, on_front, seconds_hardest, on_front_hardest
        in zip(*columns)
    ]  # fmt: skip
    return {"targets": targets, "rows": points}
