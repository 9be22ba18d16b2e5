"""The summary table of `zobench compare`: a row a (problem, estimator)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from zobench.analysis.ert import Ert, ert_interval
from zobench.analysis.frames import SKIPPED, first_order, require
from zobench.analysis.interval import LEVEL, RESAMPLES
from zobench.analysis.runlengths import RunLengths, Unit, cases, run_table
from zobench.analysis.targets import Targets, final_targets, hardest_reached

UNITS: tuple[Unit, ...] = ("queries", "seconds")
NONE = -1  # the index of no target
NO_RUN = RunLengths(*(np.empty(0),) * 5)
METERS = (
    "estimator_seconds", "peak_memory", "memory_ratio", "final_score", "best_score",
)  # fmt: skip


def summary(
    runs: pd.DataFrame,
    hits: pd.DataFrame,
    problems: pd.DataFrame,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """One row a (problem, estimator) that has a run, skipped ones included.

    - problem, group, dimension, budget, kind (which score is meant: of the "current" or the "best"
      evaluated point), estimator, first_order (a reference, not to be ranked)
    - runs (made), skipped, coverage (made / asked), statuses ("12 target, 3 budget"), reasons
    - for two targets of the problem, the final one and the hardest that any run reached (of an
      estimator that is not a first-order reference, if there is one): `final_` and `hardest_`
      target_index, target, successes, at_start (runs that met it before any query or by the
      first), queries (the ERT), queries_low, queries_high, seconds (the ERT in seconds),
      seconds_low, seconds_high
    - medians over runs: seconds_per_query (all), estimator_seconds_per_query (its own, without the
      objective's), peak_memory in bytes, memory_ratio, final_score, best_score. NaN: not measured.
    """
    require(runs, "runs", ("reason", *METERS))
    tables = {unit: run_table(runs, hits, problems, unit) for unit in UNITS}
    lengths = {unit: cases(table) for unit, table in tables.items()}
    references = first_order(runs)
    targets = {"final": final_targets(problems), "hardest": _hardest(tables["queries"], references)}
    values = problems.set_index(["problem", "target_index"])["target"].to_dict()
    facts = ["problem", "group", "dimension", "budget", "kind"]
    described = problems.drop_duplicates("problem")[facts]
    begun = ["problem", "target_index", "estimator"]
    sums: Any = tables["queries"].groupby(begun)["at_start"].sum()
    at_start = sums.to_dict()
    groups = dict(iter(runs.groupby(["problem", "estimator"], sort=False)))
    known: dict[tuple[Unit, str, int, str], Ert] = {}  # the two targets are often the same
    rows = []
    for values_of in described.itertuples(index=False):
        problem = str(values_of[0])
        for estimator, reference in references.items():
            part = groups.get((problem, estimator))
            if part is None:
                continue
            row = dict(zip(facts, values_of)) | {"estimator": estimator, "first_order": reference}
            row |= _outcomes(part)
            for which, of in targets.items():
                index = of.get(problem, NONE)
                row[f"{which}_target_index"] = np.nan if index == NONE else index
                row[f"{which}_target"] = values.get((problem, index), np.nan)
                row[f"{which}_at_start"] = int(at_start.get((problem, index, estimator), 0))
                for unit in UNITS:
                    case = (problem, index, estimator)
                    if (unit, *case) not in known:
                        sample = lengths[unit].get(case, NO_RUN)
                        known[unit, *case] = ert_interval(sample, level, resamples, seed)
                    row |= _named(which, unit, known[unit, *case])
            rows.append(row | _medians(part.loc[part["status"] != SKIPPED]))
    return pd.DataFrame(rows)


def _hardest(table: pd.DataFrame, references: dict[str, bool]) -> Targets:
    ranked = [name for name, reference in references.items() if not reference]
    return hardest_reached(table.loc[table["estimator"].isin(ranked or list(references))])


def _outcomes(part: pd.DataFrame) -> dict[str, object]:
    counts = Counter(part["status"])
    skipped = counts[SKIPPED]
    reasons = Counter(
        f"{status}: {reason}"
        for status, reason in zip(part["status"], part["reason"])
        if isinstance(reason, str) and reason and status not in ("ok", "target", "budget")
    )
    return {
        "runs": len(part) - skipped,
        "skipped": skipped,
        "coverage": 1 - skipped / len(part),
        "statuses": ", ".join(f"{n} {status}" for status, n in counts.most_common()),
        "reasons": "; ".join(f"{n} {reason}" for reason, n in reasons.most_common()),
    }


def _named(which: str, unit: str, found: Ert) -> dict[str, float]:
    name, low = f"{which}_{unit}", found.low
    if unit == "queries" and (low, found.high) != (0, np.inf):  # which says that nothing is known
        low = max(low, min(1.0, found.value))  # no target is met before the first query
    values = {name: found.value, f"{name}_low": low, f"{name}_high": found.high}
    return {f"{which}_successes": found.successes} | values


def _medians(made: pd.DataFrame) -> dict[str, float]:
    queries = made["queries"].to_numpy(float)
    queries = np.where(queries > 0, queries, np.nan)
    columns = {
        "seconds_per_query": made["seconds"].to_numpy(float) / queries,
        "estimator_seconds_per_query": made["estimator_seconds"].to_numpy(float) / queries,
    }
    columns |= {name: made[name].to_numpy(float) for name in METERS[1:]}
    return {name: median(values) for name, values in columns.items()}


def median(values: np.ndarray) -> float:
    """The median of the values that are known (not NaN); NaN if none is."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else np.nan
