"""The summary table of `zobench compare`: one row per problem and estimator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from zobench.analysis.ert import Ert, ert_interval
from zobench.analysis.frames import SKIPPED, first_order, require
from zobench.analysis.interval import LEVEL, RESAMPLES
from zobench.analysis.runlengths import Cases, RunLengths, Unit, at_targets
from zobench.analysis.targets import Targets, final_targets, hardest_reached

UNITS: tuple[Unit, ...] = ("queries", "seconds")
NONE = -1  # the index of no target
NO_RUN = RunLengths(*(np.empty(0),) * 5)
METERS = (
    "estimator_seconds", "peak_memory", "memory_ratio", "final_score", "best_score",
)  # fmt: skip
NUMBERS = ("queries", "seconds", *METERS)
Columns = Mapping[str, np.ndarray]  # of the runs of one estimator on one problem


def summary(
    runs: pd.DataFrame,
    problems: pd.DataFrame,
    tables: Mapping[Unit, pd.DataFrame],
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Compute the summary: one row per problem and estimator with a run, which may be skipped.

    - problem, group, dimension, budget, kind (the scored point: "current" or "best" evaluated),
      estimator, first_order (a reference, not to be ranked)
    - runs (not skipped), skipped, coverage (runs / all), statuses ("12 target, 3 budget"), reasons
    - for two targets of the problem, the final one and the hardest that any run reached (of an
      estimator that is not a first-order reference, if there is one): `final_` and `hardest_`
      target_index, target, successes, at_start (runs that met it before any query or by the
      first), queries (the ERT), queries_low, queries_high, seconds (the ERT in seconds),
      seconds_low, seconds_high
    - medians over runs: seconds_per_query (all), estimator_seconds_per_query (its own, without the
      objective's), peak_memory in bytes, memory_ratio, final_score, best_score. NaN: not measured.

    Args:
        runs: one row per run.
        problems: one row per target of a problem.
        tables: the `run_tables` of these runs.
        level: of the intervals.
        resamples: bootstrap resamples of an ERT.
        seed: of the resamples.

    Raises:
        BadInput: a column of the runs is missing.
    """
    require(runs, "runs", ("reason", *METERS))
    references = first_order(runs)
    targets = {"final": final_targets(problems), "hardest": _hardest(tables["queries"], references)}
    lengths = {unit: _cases_at(table, targets) for unit, table in tables.items()}
    values = problems.set_index(["problem", "target_index"])["target"].to_dict()
    facts = ["problem", "group", "dimension", "budget", "kind"]
    described = problems.drop_duplicates("problem")[facts]
    queries = tables["queries"]
    at_start = Counter(
        zip(
            *(queries.loc[queries["at_start"], c] for c in ("problem", "target_index", "estimator"))
        )
    )
    columns = {name: runs[name].to_numpy() for name in ("status", "reason", *NUMBERS)}
    groups = runs.groupby(["problem", "estimator"], sort=False).indices
    erts: dict[tuple[Unit, str, int, str], Ert] = {}  # the two targets are often the same
    rows = []
    for values_of in described.itertuples(index=False):
        problem = str(values_of[0])
        for estimator, reference in references.items():
            if (problem, estimator) not in groups:
                continue
            part = {name: of[groups[problem, estimator]] for name, of in columns.items()}
            row = dict(zip(facts, values_of)) | {"estimator": estimator, "first_order": reference}
            row |= _outcomes(part)
            for which, of in targets.items():
                index = of.get(problem, NONE)
                row[f"{which}_target_index"] = np.nan if index == NONE else index
                row[f"{which}_target"] = values.get((problem, index), np.nan)
                row[f"{which}_at_start"] = at_start[problem, index, estimator]
                for unit in UNITS:
                    case = (problem, index, estimator)
                    if (unit, *case) not in erts:
                        sample = lengths[unit].get(case, NO_RUN)
                        erts[unit, *case] = ert_interval(sample, level, resamples, seed)
                    row |= _cells(which, unit, erts[unit, *case])
            rows.append(row | _medians(part, part["status"] != SKIPPED))
    return pd.DataFrame(rows)


def _hardest(table: pd.DataFrame, references: dict[str, bool]) -> Targets:
    ranked = [name for name, reference in references.items() if not reference]
    return hardest_reached(table.loc[table["estimator"].isin(ranked or list(references))])


def _cases_at(table: pd.DataFrame, targets: Mapping[str, Targets]) -> dict[Any, RunLengths]:
    """Return `Cases` at these targets only, which takes much less time than at all targets."""
    cases: dict[Any, RunLengths] = {}
    for chosen_targets in targets.values():
        cases |= Cases(at_targets(table, chosen_targets))
    return cases


def _outcomes(part: Columns) -> dict[str, object]:
    counts = Counter(part["status"])
    planned, skipped = len(part["status"]), counts[SKIPPED]
    reasons = Counter(
        f"{status}: {reason}"
        for status, reason in zip(part["status"], part["reason"])
        if isinstance(reason, str) and reason and status not in ("ok", "target", "budget")
    )
    return {
        "runs": planned - skipped,
        "skipped": skipped,
        "coverage": 1 - skipped / planned,
        "statuses": ", ".join(f"{n} {status}" for status, n in counts.most_common()),
        "reasons": "; ".join(f"{n} {reason}" for reason, n in reasons.most_common()),
    }


def _cells(which: str, unit: str, result: Ert) -> dict[str, float]:
    name, low = f"{which}_{unit}", result.low
    if unit == "queries" and (low, result.high) != (0, np.inf):  # the interval of too few runs
        low = max(low, min(1.0, result.value))  # no target is met before the first query
    values = {name: result.value, f"{name}_low": low, f"{name}_high": result.high}
    return {f"{which}_successes": result.successes} | values


def _medians(part: Columns, has_run: np.ndarray) -> dict[str, float]:
    numbers = {name: part[name][has_run].astype(float) for name in NUMBERS}
    queries = np.where(numbers["queries"] > 0, numbers["queries"], np.nan)
    columns = {
        "seconds_per_query": numbers["seconds"] / queries,
        "estimator_seconds_per_query": numbers["estimator_seconds"] / queries,
    }
    columns |= {name: numbers[name] for name in METERS[1:]}
    return {name: median(values) for name, values in columns.items()}


def median(values: np.ndarray) -> float:
    """Return the median of the values (n,) that are not NaN; NaN without such a value."""
    measured = values[~np.isnan(values)]
    return float(np.median(measured)) if len(measured) else np.nan
