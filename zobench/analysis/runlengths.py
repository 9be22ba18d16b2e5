"""Run length: queries or seconds from the start of a run to a target, or to the run's end.

A run that reaches the target is a success, whatever becomes of it later; any other run, also one
that diverged, failed or ran out of time or memory, is censored at what it spent. Skipped runs
have no length: they lower the coverage instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import pandas as pd

from zobench.analysis.frames import SKIPPED, check
from zobench.errors import BadInput

Unit = Literal["queries", "seconds"]
Case = tuple[str, int, str]  # problem, target_index, estimator
LABELS = ["run_key", "problem", "instance", "estimator", "repetition", "seed"]
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
    if unit not in SHORTEST:
        raise BadInput(f"no unit {unit!r}; known: {', '.join(SHORTEST)}")
    return run_tables(runs, hits, problems, (unit,))[unit]


def run_tables(
    runs: pd.DataFrame,
    hits: pd.DataFrame,
    problems: pd.DataFrame,
    units: Sequence[Unit] = ("queries", "seconds"),
) -> dict[Unit, pd.DataFrame]:
    """Unit -> its `run_table`: they differ in `length` alone, so several cost little more."""
    check(runs, hits, problems)
    ran = runs.loc[runs["status"] != SKIPPED]
    made = ran.loc[:, LABELS]
    made["instance"] = pd.Series(pd.to_numeric(made["instance"])).fillna(-1)
    made = made.assign(**{f"spent_{unit}": ran[unit].to_numpy(float) for unit in units})
    key = ["run_key", "kind", "target_index"]
    first = hits.astype({"target_index": int}).groupby(key, as_index=False)
    first = first.agg(first_query=("queries", "min"), **{f"hit_{u}": (u, "min") for u in units})
    scored = problems[["problem", "group", "dimension", "budget", "kind", "target_index", "target"]]
    table = made.merge(scored, on="problem")
    table = table.merge(first, on=key, how="left", indicator=True)
    success = (table.pop("_merge") == "both").to_numpy()
    at_start = success & (table.pop("first_query").to_numpy(float) <= 1)
    lengths = {
        unit: _lengths(
            table.pop(f"hit_{unit}"), table.pop(f"spent_{unit}"), success, table["budget"], unit
        )
        for unit in units
    }
    found: dict[Unit, pd.DataFrame] = {}
    for unit in units:
        found[unit] = table.assign(length=lengths[unit], success=success, at_start=at_start)
    return found


def _lengths(hit: Any, spent: Any, success: np.ndarray, budget: Any, unit: Unit) -> np.ndarray:
    hit, spent = hit.to_numpy(float), spent.to_numpy(float)
    hit = np.where(np.isfinite(hit), hit, np.nan)  # inf: not measured
    spent = np.where(np.isfinite(spent), spent, np.nan)
    if unit == "queries":
        spent = np.where(np.isnan(spent), budget.to_numpy(float), spent)
    if (spent < 0).any():
        raise BadInput(f"a run spent a negative number of {unit}")
    return np.where(success, np.maximum(hit, SHORTEST[unit]), spent)


def at_targets(table: pd.DataFrame, targets: dict[str, int]) -> pd.DataFrame:
    """The rows of one target a problem: `targets` maps problem -> target_index."""
    codes, names = pd.factorize(table["problem"])
    wanted = np.array([targets.get(name, np.nan) for name in names], float)
    return table.loc[table["target_index"].to_numpy() == wanted[codes]]


class Cases(Mapping[Case, RunLengths]):
    """Run lengths by case, cut out of the table when one is asked for: few of many mostly are."""

    def __init__(self, table: pd.DataFrame) -> None:
        """`table`: of `run_table`."""
        order, self.places = _cases(table)
        self.columns = [table[field.name].to_numpy()[order] for field in fields(RunLengths)]

    def __getitem__(self, key: Case) -> RunLengths:
        place = self.places[key]
        return RunLengths(*(column[place] for column in self.columns))

    def __iter__(self) -> Iterator[Case]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


def run_keys(table: pd.DataFrame) -> dict[Case, list[str]]:
    """The run_key of each run in `Cases`, in the same order."""
    order, places = _cases(table)
    names = table["run_key"].to_numpy()[order]
    return {key: names[place].tolist() for key, place in places.items()}


def _cases(table: pd.DataFrame) -> tuple[np.ndarray, dict[Case, slice]]:
    """An order of rows where each case is one piece, its runs by their labels; which piece.

    The cases themselves are in the order of the labels of their first runs.
    """
    columns = [pd.factorize(table[name]) for name in ("problem", "target_index", "estimator")]
    case = np.zeros(len(table), int)
    for codes, names in columns:
        case = case * len(names) + codes
    labels = [table[name].to_numpy() for name in ("seed", "repetition", "instance")]
    order = np.lexsort((*labels, case))
    starts = np.flatnonzero(np.diff(case[order], prepend=-1))
    ends = np.append(starts[1:], len(table))
    first = order[starts]
    shown = np.lexsort((first, *(label[first] for label in labels)))
    keys = zip(*(names.take(codes[first[shown]]).tolist() for codes, names in columns))
    places = map(slice, starts[shown].tolist(), ends[shown].tolist())
    return order, dict(zip(keys, places))
