"""Simulated restarts: the run length of an estimator that starts again until it succeeds.

Runs are drawn with replacement and their lengths added up to the first success (Hansen et al. 2016,
https://arxiv.org/abs/1605.03560). The mean of what is drawn is the ERT. Each run is the first of as
many draws as any other, so that only what follows a failure is left to chance. Not valid where
instances are not comparable.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from zobench.analysis.resampling import generator
from zobench.analysis.runlengths import Cases, RunLengths

NAMES = ["dimension", "estimator", "x", "share", "problems", "runs"]


def restarted(runs: RunLengths, draws: int = 100, seed: int = 0, name: str = "") -> np.ndarray:
    """`draws` simulated run lengths, in the unit of `runs`; all inf without a success.

    Shape (draws,), or (0,) without a run. `draws` is best a multiple of the runs, so that each
    comes first equally often. `name` names the stream of random numbers.
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
    """Run-length distributions of restarted estimators, to log10(queries / dimension) = `last`.

    Columns: dimension, estimator, x, share (of problems, their targets and simulated runs),
    problems, runs. `table` is a `run_table` in queries; problems of unknown dimension are left out.
    """
    parts = []
    known = table.loc[table["dimension"].notna()]
    for size, part in known.groupby("dimension"):
        dimension = float(size)  # type: ignore[arg-type]
        x = np.linspace(-np.log10(dimension), max(last, -np.log10(dimension)), points)
        of_problem: dict[tuple[str, str], list[np.ndarray]] = {}
        for (problem, index, estimator), runs in Cases(part).items():
            lengths = restarted(runs, draws, seed, f"{problem}/{index}/{estimator}")
            # a hair of slack: x that stands for a whole number of queries includes it
            reached = np.sort(np.log10(lengths / dimension)) - 1e-12
            share = np.searchsorted(reached, x, side="right") / draws
            of_problem.setdefault((estimator, problem), []).append(share)
        counts: Any = part.groupby("estimator", sort=False)["run_key"].nunique()
        for estimator, count in counts.items():
            mine = [np.mean(s, axis=0) for (name, _), s in of_problem.items() if name == estimator]
            curve = pd.DataFrame({"x": x, "share": np.mean(mine, axis=0)})
            facts = {"dimension": int(dimension), "estimator": estimator}
            parts.append(curve.assign(**facts, problems=len(mine), runs=int(count)))
    if not parts:
        return pd.DataFrame(columns=pd.Index(NAMES))
    return pd.concat(parts, ignore_index=True).loc[:, NAMES]
