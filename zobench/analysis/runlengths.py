"""Run length: queries or seconds from the start of a run to a target, or to the run's end.

A run that reaches the target is a success, whatever becomes of it later; any other run, also one
that diverged, failed or ran out of time or memory, is censored at what it spent. Skipped runs
have no length: they lower the coverage instead.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import pandas as pd

from zobench.analysis.frames import SKIPPED, check
from zobench.errors import BadInput

Unit = Literal["queries", "seconds"]
# A target met at the start costs one query, or a tick of the clock: ratios stay finite.
SHORTEST = {"queries": 1.0, "seconds": 1e-6}


@dataclass(frozen=True)
class RunLengths:
    """The runs of one estimator to one target of one problem, in the order of their labels.

    All arrays have shape (n,): `length` in queries or seconds (NaN: not measured), `success`,
    and the labels `instance` (-1: none), `repetition` and `seed` that pair runs of two estimators.
    """

    length: np.ndarray
    success: np.ndarray
    instance: np.ndarray
    repetition: np.ndarray
    seed: np.ndarray

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return len(self.length)

    @property
    def successes(self) -> int:
        """How many of them reached the target."""
        return int(self.success.sum())

    @property
    def known(self) -> bool:
        """Were all lengths measured?"""
        return bool(np.isfinite(self.length).all())


def run_table(
    runs: pd.DataFrame, hits: pd.DataFrame, problems: pd.DataFrame, unit: Unit = "queries"
) -> pd.DataFrame:
    """One row a (run, target of its problem, of the scored kind); skipped runs have none.

    Columns: problem, group, dimension, budget, kind, target_index, target, estimator, run_key,
    instance, repetition, seed, length, success, at_start (met before any query or by the first).
    `length` is in `unit`; an unsuccessful run whose queries are unknown counts with its budget,
    unknown seconds stay NaN.
    Raises BadInput where columns are missing, runs are double, or several suites are mixed.
    """
    check(runs, hits, problems)
    if unit not in SHORTEST:
        raise BadInput(f"no unit {unit!r}; known: {', '.join(SHORTEST)}")
    labels = ["run_key", "problem", "instance", "estimator", "repetition", "seed"]
    ran = runs.loc[runs["status"] != SKIPPED]
    made = ran.loc[:, labels].assign(spent=ran[unit].to_numpy(float))
    scored = problems[["problem", "group", "dimension", "budget", "kind", "target_index", "target"]]
    key = ["run_key", "kind", "target_index"]
    first = hits.astype({"target_index": int}).groupby(key, as_index=False)
    first = first.agg(hit=(unit, "min"), queries=("queries", "min"))
    table = made.merge(scored, on="problem").merge(first, on=key, how="left", indicator=True)
    success = (table.pop("_merge") == "both").to_numpy()
    first_hit = table.pop("hit").to_numpy(float)
    first_hit = np.where(np.isfinite(first_hit), first_hit, np.nan)  # inf: not measured
    hit = np.maximum(first_hit, SHORTEST[unit])
    spent = table.pop("spent").to_numpy(float)
    spent = np.where(np.isfinite(spent), spent, np.nan)
    if unit == "queries":
        spent = np.where(np.isnan(spent), table["budget"].to_numpy(float), spent)
    if (spent < 0).any():
        raise BadInput(f"a run spent a negative number of {unit}")
    instance = pd.Series(pd.to_numeric(table["instance"]))
    table["instance"] = instance.fillna(-1)
    length = np.where(success, hit, spent)
    at_start = success & (table.pop("queries").to_numpy(float) <= 1)
    return table.assign(length=length, success=success, at_start=at_start)


def at_targets(table: pd.DataFrame, targets: dict[str, int]) -> pd.DataFrame:
    """The rows of one target a problem: `targets` maps problem -> target_index."""
    return table.loc[table["target_index"] == table["problem"].map(targets.get)]


def cases(table: pd.DataFrame) -> dict[tuple[str, int, str], RunLengths]:
    """(problem, target_index, estimator) -> its run lengths."""
    table, groups = _cases(table)
    columns = [table[field.name].to_numpy() for field in fields(RunLengths)]
    return {key: RunLengths(*(c[rows] for c in columns)) for key, rows in groups.items()}  # type: ignore[misc]


def run_keys(table: pd.DataFrame) -> dict[tuple[str, int, str], list[str]]:
    """The run_key of each run in `cases`, in the same order."""
    table, groups = _cases(table)
    names = table["run_key"].to_numpy()
    return {key: names[rows].tolist() for key, rows in groups.items()}  # type: ignore[misc]


def _cases(table: pd.DataFrame) -> tuple[pd.DataFrame, Any]:
    table = table.sort_values(["instance", "repetition", "seed"], kind="stable")
    return table, table.groupby(["problem", "target_index", "estimator"], sort=False).indices
