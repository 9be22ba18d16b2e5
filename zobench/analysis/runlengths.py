"""Run length: queries or seconds from the start of a run to a target, or to the run's end.

A run that reaches the target is a success, even if it fails later. Any other run, also one that
diverged, failed or ran out of time or memory, is censored at its end. Skipped runs have no length:
they lower the coverage instead.
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

    The labels `instance`, `repetition` and `seed` pair runs of two estimators.

    Attributes:
        length: queries or seconds, (n,); NaN: not measured.
        success: True for runs that reached the target, (n,).
        instance: (n,); -1: none.
        repetition: (n,).
        seed: (n,).
    """

    length: np.ndarray
    success: np.ndarray
    instance: np.ndarray
    repetition: np.ndarray
    seed: np.ndarray

    @property
    def runs(self) -> int:
        """The number of runs."""
        return len(self.length)

    @property
    def successes(self) -> int:
        """The number of runs that reached the target."""
        return int(self.success.sum())

    @property
    def is_measured(self) -> bool:
        """True if all lengths were measured."""
        return bool(np.isfinite(self.length).all())


def run_table(
    runs: pd.DataFrame, hits: pd.DataFrame, problems: pd.DataFrame, unit: Unit = "queries"
) -> pd.DataFrame:
    """Compute run lengths: one row per run and target of its problem.

    Skipped runs have no rows. Hits count if they are of the scored kind of the problem. An
    unsuccessful run whose queries are unknown counts with its budget; unknown seconds stay NaN.

    Args:
        runs: one row per run.
        hits: one row per target that a run hit.
        problems: one row per target of a problem.
        unit: of the lengths.

    Returns:
        Columns: problem, group, dimension, budget, kind, target_index, target, estimator, run_key,
        instance, repetition, seed, length (in `unit`), success, at_start (met before any query or
        by the first).

    Raises:
        BadInput: columns are missing, a run is there twice, or runs are of several suites.
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
    """Compute a `run_table` for each unit.

    They differ in `length` alone, so several cost little more than one.

    Args:
        runs: one row per run.
        hits: one row per target that a run hit.
        problems: one row per target of a problem.
        units: of the lengths.

    Returns:
        Unit -> run table.
    """
    check(runs, hits, problems)
    ran = runs.loc[runs["status"] != SKIPPED]
    labels = ran.loc[:, LABELS]
    labels["instance"] = pd.Series(pd.to_numeric(labels["instance"])).fillna(-1)
    scored = problems[["problem", "group", "dimension", "budget", "kind", "target_index", "target"]]
    run, target = _pairs(labels["problem"], scored["problem"])
    success, first = _first_hits(labels, scored, hits, run, target, tuple({"queries", *units}))
    at_start = success & (first["queries"] <= 1)
    budget = np.asarray(scored["budget"], float)[target]
    lengths = {
        unit: _lengths(first[unit], np.asarray(ran[unit], float)[run], success, budget, unit)
        for unit in units
    }
    del first, budget
    parts = labels.take(run), scored.drop(columns="problem").take(target)
    table = pd.concat([part.reset_index(drop=True) for part in parts], axis=1)
    tables: dict[Unit, pd.DataFrame] = {}
    for unit in units:
        tables[unit] = table.assign(length=lengths[unit], success=success, at_start=at_start)
    return tables


def _pairs(of_runs: Any, of_targets: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (run, target) of all pairs with the same problem, by runs, then by targets.

    The rows are computed here: a merge of data frames takes several times their memory.
    """
    codes, names = pd.factorize(of_targets)
    problem_codes = _codes(of_runs, names)
    count = np.bincount(codes, minlength=len(names))
    begin = np.cumsum(count) - count
    counts = count[problem_codes]
    run = np.repeat(np.arange(len(problem_codes)), counts)
    number = np.arange(len(run)) - np.repeat(np.cumsum(counts) - counts, counts)
    target = np.argsort(codes, kind="stable")[begin[problem_codes][run] + number]
    return run, target


def _first_hits(
    runs: Any, scored: Any, hits: Any, run: np.ndarray, target: np.ndarray, columns: Sequence[str]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return True for each (run, target) that was hit, and the least value per column; else NaN."""
    pair_key, key = np.zeros(len(run), np.int64), np.zeros(len(hits), np.int64)
    is_known_value = np.ones(len(hits), bool)
    sides = ("run_key", runs, run), ("kind", scored, target), ("target_index", scored, target)
    for name, frame, rows in sides:
        codes, values = pd.factorize(frame[name])
        of_hits = _codes(hits[name].astype(int) if name == "target_index" else hits[name], values)
        pair_key = pair_key * len(values) + codes[rows]
        key = key * len(values) + of_hits
        is_known_value &= of_hits >= 0
    hit_rows = np.flatnonzero(is_known_value)
    hit_rows = hit_rows[np.argsort(key[hit_rows], kind="stable")]
    begin = np.flatnonzero(np.diff(key[hit_rows], prepend=-1))
    key = key[hit_rows[begin]]
    index = np.searchsorted(key, pair_key)
    success = np.append(key, -1)[index] == pair_key
    least = {}
    for name in columns:
        least[name] = np.full(len(run), np.nan)
        if len(begin):
            values = np.fmin.reduceat(hits[name].to_numpy(float)[hit_rows], begin)
            least[name][success] = values[index[success]]
    return success, least


def _codes(column: Any, names: Any) -> np.ndarray:
    """The index in `names` of each value of a column; -1 if it is not one of them."""
    codes, values = pd.factorize(column)
    index = {name: number for number, name in enumerate(names)}
    return np.array([*(index.get(value, -1) for value in values), -1], int)[codes]


def _lengths(
    hit: np.ndarray, spent: np.ndarray, success: np.ndarray, budget: np.ndarray, unit: Unit
) -> np.ndarray:
    hit = np.where(np.isfinite(hit), hit, np.nan)  # inf: not measured
    spent = np.where(np.isfinite(spent), spent, np.nan)
    if unit == "queries":
        spent = np.where(np.isnan(spent), budget, spent)
    if (spent < 0).any():
        raise BadInput(f"a run spent a negative number of {unit}")
    return np.where(success, np.maximum(hit, SHORTEST[unit]), spent)


def at_targets(table: pd.DataFrame, targets: dict[str, int]) -> pd.DataFrame:
    """Return the rows of one target per problem.

    Args:
        table: a `run_table`.
        targets: problem -> target_index.
    """
    codes, names = pd.factorize(table["problem"])
    index = np.array([targets.get(name, np.nan) for name in names], float)
    return table.loc[table["target_index"].to_numpy() == index[codes]]


class Cases(Mapping[Case, RunLengths]):
    """Run lengths by case, made on access, since often only a few of many cases are read."""

    def __init__(self, table: pd.DataFrame) -> None:
        """Order the rows of a `run_table` by case."""
        order, self.slices = _cases(table)
        self.columns = [table[field.name].to_numpy()[order] for field in fields(RunLengths)]

    def __getitem__(self, key: Case) -> RunLengths:
        rows = self.slices[key]
        return RunLengths(*(column[rows] for column in self.columns))

    def __iter__(self) -> Iterator[Case]:
        return iter(self.slices)

    def __len__(self) -> int:
        return len(self.slices)


def run_keys(table: pd.DataFrame) -> dict[Case, list[str]]:
    """Return the run_key of each run in `Cases`, in the same order."""
    order, slices = _cases(table)
    names = table["run_key"].to_numpy()[order]
    return {key: names[rows].tolist() for key, rows in slices.items()}


def _cases(table: pd.DataFrame) -> tuple[np.ndarray, dict[Case, slice]]:
    """An order of rows in which each case is one slice, sorted by labels; and these slices.

    The cases are in the order of the labels of their first runs.
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
    by_label = np.lexsort((first, *(label[first] for label in labels)))
    keys = zip(*(names.take(codes[first[by_label]]).tolist() for codes, names in columns))
    slices = map(slice, starts[by_label].tolist(), ends[by_label].tolist())
    return order, dict(zip(keys, slices))
