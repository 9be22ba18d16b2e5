"""Curves from results: hits and traces are merged so that no target moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zobench.harness.plan import RunSpec
from zobench.interchange.curve import FLOOR, Curve
from zobench.interchange.numbering import PRECISION, function_numbers

if TYPE_CHECKING:
    import pandas as pd

HAIR = 1 - 1e-12  # times its target, a hit is written: other tools round targets differently


def curves_of(
    specs: Sequence[RunSpec],
    runs: pd.DataFrame,
    hits: pd.DataFrame,
    traces: pd.DataFrame,
    problems: pd.DataFrame,
) -> tuple[list[Curve], list[str]]:
    """Turn runs into curves.

    Scores are of the kind that the targets refer to. The curve of a run has a row at each target
    that it hit and at each of its scored points; before the first one, it has the score of the
    start, or more than the easiest target if that would look like a hit.

    Args:
        specs: the runs.
        runs: their results, as in `harness.tables`; so are the other frames.
        hits: the targets that they hit.
        traces: their scored points.
        problems: their problems.

    Returns:
        A curve per run that made a query, in the order of `runs`; and notes on what is left out.
    """
    problem_of = {spec.problem.id: spec.problem for spec in specs}
    numbers = function_numbers(problem_of.values())
    kinds = problems.drop_duplicates("problem").set_index("problem")["kind"].to_dict()
    largest: Any = runs.groupby("problem")["dimension"].max()
    sizes = largest.to_dict()
    instances = {(s.problem.id, s.repetition): s.problem.instance(s.repetition) for s in specs}
    hit_rows, trace_rows = _by_run(hits), _by_run(traces)
    curves, left_out = [], Counter()
    for run in runs.to_dict("records"):
        problem, key = problem_of[run["problem"]], run["run_key"]
        size, length = sizes[problem.id], run["queries"]
        if run["status"] == "skipped" or not length > 0 or size != size:
            left_out[f"{run['estimator']} on {problem.id} ({run['status']})"] += 1
            continue
        numbered, kind = numbers[problem.id], kinds[problem.id]
        points = []
        if (rows := hit_rows.get(key)) is not None:
            columns = rows["queries"], rows["target"], rows["kind"]
            points = [(int(q), float(t)) for q, t, k in zip(*columns) if k == kind]
        queries, gaps = _trajectory(
            points, trace_rows.get(key), kind, problem.targets, numbered.offset, int(length)
        )
        instance = instances[problem.id, run["repetition"]]
        curves.append(
            Curve(
                estimator=str(run["estimator"]),
                suite=numbered.suite,
                function=numbered.function,
                name=problem.id,
                dimension=int(size),
                instance=run["repetition"] + 1 if instance is None else instance,
                queries=queries,
                gaps=gaps,
                length=int(max(length, queries[-1])),
            )
        )
    notes = [f"left out, without a query: {n} x {reason}" for reason, n in left_out.items()]
    return curves, notes


def _trajectory(
    hits: list[tuple[int, float]],
    trace: pd.DataFrame | None,
    kind: str,
    targets: tuple[float, ...],
    offset: float,
    length: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return (queries, gaps): rows at query 1, where the gap falls, and at the last query."""
    start = -np.inf
    points = [(q, (target - offset) * HAIR) for q, target in hits]
    if offset:  # the difference above is rounded
        points += [(q, PRECISION * HAIR) for q, target in hits if target == targets[-1]]
    if trace is not None and len(trace):
        values = trace["score" if kind == "current" else "best"].to_numpy(float) - offset
        points += list(zip(trace["queries"].tolist(), values.tolist()))
        first = float(trace["score"].to_numpy(float)[0]) - offset
        start = first if np.isfinite(first) else start
    lowest = min(FLOOR, (targets[-1] - offset) / 2)
    rows = sorted((max(q, 1), max(v, lowest)) for q, v in points if np.isfinite(v))
    if not rows or rows[0][0] > 1:
        # Above the targets, as none was reached by the first query.
        easiest = (targets[0] - offset) * 1.01
        rows.insert(0, (1, max(start, easiest, *(v for _, v in rows[:1]))))
    queries = np.array([q for q, _ in rows], dtype=np.int64)
    gaps = np.minimum.accumulate(np.array([v for _, v in rows]))
    last = np.append(queries[1:] != queries[:-1], True)  # of several rows at one query
    queries, gaps = queries[last], gaps[last]
    falls = np.append(True, gaps[1:] < gaps[:-1])
    queries, gaps = queries[falls], gaps[falls]
    if queries[-1] < length:
        queries, gaps = np.append(queries, length), np.append(gaps, gaps[-1])
    return queries, gaps


def _by_run(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(key): part for key, part in frame.groupby("run_key", sort=False, observed=True)}
