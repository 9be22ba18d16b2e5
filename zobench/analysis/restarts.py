"""Simulated restarts: the run length of an estimator that starts again until it succeeds.

Runs are drawn with replacement and their lengths added up to the first success (Hansen et al. 2016,
https://arxiv.org/abs/1605.03560). The mean of these sums is the ERT. Each run is the first of
equally many draws, so that only the runs after a failure are random. This is not valid if instances
are not comparable.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from zobench.analysis.resampling import generator
from zobench.analysis.runlengths import Cases, RunLengths

NAMES = ["dimension", "estimator", "x", "share", "problems", "runs"]


def restart_lengths(
    runs: RunLengths, draws: int = 100, seed: int = 0, name: str = ""
) -> np.ndarray:
    """Simulate run lengths with restarts, in the unit of `runs`.

    Args:
        runs: the runs to one target of one problem.
        draws: how many lengths; best a multiple of the runs, so that each is first equally often.
        seed: of the random numbers.
        name: of the stream of random numbers.

    Returns:
        Lengths, (draws,), all inf without a success; (0,) without a run.
    """
    if not runs.runs:
        return np.empty(0)
    if not runs.successes:
        return np.full(draws, np.inf)
    rng = generator(seed, "restarts", name)
    run = np.arange(draws) % runs.runs
    total = runs.length[run].astype(float)
    failed = np.flatnonzero(~runs.success[run])
    while len(failed):
        run = rng.integers(runs.runs, size=len(failed))
        total[failed] += runs.length[run]
        failed = failed[~runs.success[run]]
    return total


def restart_ecdf(
    table: pd.DataFrame, last: float, points: int = 201, draws: int = 90, seed: int = 0
) -> pd.DataFrame:
    """Compute run-length distributions of estimators with restarts.

    Problems of unknown dimension are omitted.

    Args:
        table: a `run_table` in queries.
        last: log10(queries / dimension) at the end of the curves.
        points: of a curve.
        draws: simulated runs per problem and target.
        seed: of the random numbers.

    Returns:
        Columns: dimension, estimator, x, share (of problems, their targets and simulated runs),
        problems, runs.
    """
    parts = []
    rows_with_dimension = table.loc[table["dimension"].notna()]
    for size, part in rows_with_dimension.groupby("dimension"):
        dimension = float(size)  # type: ignore[arg-type]
        x = np.linspace(-np.log10(dimension), max(last, -np.log10(dimension)), points)
        of_problem: dict[tuple[str, str], list[np.ndarray]] = {}
        for (problem, index, estimator), runs in Cases(part).items():
            lengths = restart_lengths(runs, draws, seed, f"{problem}/{index}/{estimator}")
            # a small slack: an x that stands for an integer number of queries includes it
            reached = np.sort(np.log10(lengths / dimension)) - 1e-12
            share = np.searchsorted(reached, x, side="right") / draws
            of_problem.setdefault((estimator, problem), []).append(share)
        counts: Any = part.groupby("estimator", sort=False)["run_key"].nunique()
        for estimator, count in counts.items():
            shares = [np.mean(s, axis=0) for (e, _), s in of_problem.items() if e == estimator]
            curve = pd.DataFrame({"x": x, "share": np.mean(shares, axis=0)})
            facts = {"dimension": int(dimension), "estimator": estimator}
            parts.append(curve.assign(**facts, problems=len(shares), runs=int(count)))
    if not parts:
        return pd.DataFrame(columns=pd.Index(NAMES))
    return pd.concat(parts, ignore_index=True).loc[:, NAMES]
