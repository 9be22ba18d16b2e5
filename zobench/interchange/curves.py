"""Curves from results: target hits and traces, merged so that no target moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zobench.harness.plan import RunSpec
from zobench.interchange.curve import FLOOR, Curve
from zobench.interchange.numbering import PRECISION, number

if TYPE_CHECKING:
    import pandas as pd

HAIR = 1 - 1e-12  # a hit is written so far below its target: other tools round targets their way


def curves_of(
    specs: Sequence[RunSpec],
    runs: pd.DataFrame,
    hits: pd.DataFrame,
    traces: pd.DataFrame,
    problems: pd.DataFrame,
) -> tuple[list[Curve], list[str]]:
    """(a curve a run that made a query, in the order of `runs`; notes on what was left out).

    Scores are of the kind that targets are meant for. A run's curve has a row at each target that
    it hit and at each of its scored points; before the first known one, it has the start's score,
    or more than the easiest target where that would look like a hit.
    """
    known = {spec.problem.id: spec.problem for spec in specs}
    numbers = number(known.values())
    kinds = problems.drop_duplicates("problem").set_index("problem")["kind"].to_dict()
    largest: Any = runs.groupby("problem")["dimension"].max()
    sizes = largest.to_dict()
    instances = {(s.problem.id, s.repetition): s.problem.instance(s.repetition) for s in specs}
    hit_rows, trace_rows = _by_run(hits), _by_run(traces)
    found, left = [], Counter()
    for run in runs.to_dict("records"):
        problem, key = known[run["problem"]], run["run_key"]
        size, length = sizes[problem.id], run["queries"]
        if run["status"] == "skipped" or not length > 0 or size != size:
            left[f"{run['estimator']} on {problem.id} ({run['status']})"] += 1
            continue
        numbered, kind = numbers[problem.id], kinds[problem.id]
        mine = hit_rows.get(key)
        reached = [] if mine is None else list(zip(mine["queries"], mine["target"], mine["kind"]))
        points = [(int(q), float(t)) for q, t, k in reached if k == kind]
        queries, gaps = _trajectory(
            points, trace_rows.get(key), kind, problem.targets, numbered.offset, int(length)
        )
        instance = instances[problem.id, run["repetition"]]
        found.append(
            Curve(
                str(run["estimator"]),
                numbered.suite,
                numbered.function,
                problem.id,
                int(size),
                run["repetition"] + 1 if instance is None else instance,
                queries,
                gaps,
                int(max(length, queries[-1])),
            )
        )
    notes = [f"left out, without a query: {n} x {what}" for what, n in left.items()]
    return found, notes


def _trajectory(
    hits: list[tuple[int, float]],
    trace: pd.DataFrame | None,
    kind: str,
    targets: tuple[float, ...],
    offset: float,
    length: int,
) -> tuple[np.ndarray, np.ndarray]:
    """(queries, gaps) with a row at query 1, the rows where the gap falls, and the last query."""
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
    known = sorted((max(q, 1), max(v, lowest)) for q, v in points if np.isfinite(v))
    if not known or known[0][0] > 1:
        # above the targets: none of them was reached by the first query
        easiest = (targets[0] - offset) * 1.01
        known.insert(0, (1, max(start, easiest, *(v for _, v in known[:1]))))
    queries = np.array([q for q, _ in known], dtype=np.int64)
    gaps = np.minimum.accumulate(np.array([v for _, v in known]))
    last = np.append(queries[1:] != queries[:-1], True)  # of several rows at a query
    queries, gaps = queries[last], gaps[last]
    falls = np.append(True, gaps[1:] < gaps[:-1])
    queries, gaps = queries[falls], gaps[falls]
    if queries[-1] < length:
        queries, gaps = np.append(queries, length), np.append(gaps, gaps[-1])
    return queries, gaps


def _by_run(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(key): part for key, part in frame.groupby("run_key", sort=False, observed=True)}
