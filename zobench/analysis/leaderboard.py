"""Leaderboard rows: one per estimator, dimension and group of a suite version.

Scores refer to the fixed targets of the suite and, for the speed-up, to frozen runs: adding an
estimator never changes the row of another one. Unknown values are empty, never guessed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from zobench.analysis.frames import FAILED, SKIPPED, first_order, require
from zobench.analysis.interval import LEVEL, RESAMPLES
from zobench.analysis.runlengths import at_targets
from zobench.analysis.scores import Mean, mean_score, run_scores
from zobench.analysis.speedup import speedup
from zobench.analysis.table import median
from zobench.analysis.targets import final_targets

COLUMNS = (
    "suite", "suite_version", "dimension", "group", "method", "version", "git_sha", "first_order",
    "track", "tuning_effort", "n_problems", "coverage", "n_runs", "n_failed", "success_rate",
    "log_area", "log_area_low", "log_area_high", "aocc", "aocc_low", "aocc_high",
    "baseline", "baseline_sha256", "n_speedup", "speedup", "speedup_low", "speedup_high",
    "us_per_query", "peak_rss_mb", "targets_hash", "settings_hash", "data_sha256",
    "seed_root",
    "cpu", "threads", "os", "python", "numpy", "packages", "date", "verified",
    "row_sha256",
)  # fmt: skip
# Columns that earlier files lack -> the value of their rows.
LATER = {"packages": "unknown", "row_sha256": "unknown"}
METERS = ("suite_version", "estimator_seconds", "peak_memory")


def leaderboard_rows(
    runs: pd.DataFrame,
    problems: pd.DataFrame,
    table: pd.DataFrame,
    facts: Mapping[str, object] | None = None,
    of_row: Mapping[tuple[str, str], Mapping[str, object]] | None = None,
    baseline: pd.DataFrame | None = None,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
    planned: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """Compute one row per estimator, dimension and group, with COLUMNS.

    - coverage: share of the planned runs that were made, so neither skipped nor missing
    - success_rate: share of runs that reached the final target, mean over problems
    - log_area and aocc: see `scores`
    - speedup: geometric mean against the baseline at the final target, over the n_speedup problems
      that both reached
    - baseline_sha256: of the frozen runs, see `baseline_hash`
    - us_per_query: median microseconds of the estimator itself
    - peak_rss_mb: median peak memory above that of the process before, in 10^6 bytes

    Args:
        runs: one row per run.
        problems: one row per target of a problem; problems may have no runs.
        table: the `run_table` of these runs, in queries.
        facts: values of columns for all rows (date, verified, ...). Computed columns take
            precedence.
        of_row: (estimator, group) -> values of columns for its rows (version, track, cpu, ...).
        baseline: the frozen `run_table`, in queries, of one estimator on the same targets.
        level: of the intervals.
        resamples: bootstrap resamples per problem.
        seed: of the resamples.
        planned: problem -> number of runs in the suite. None: the largest number of any estimator.

    Raises:
        BadInput: a column is missing.
    """
    require(runs, "runs", METERS)
    references = first_order(runs)
    final = at_targets(table, final_targets(problems))
    rows = []
    counted: Any = runs.groupby(["problem", "estimator"]).size()
    runs_planned = counted.groupby("problem").max().to_dict() if planned is None else planned
    cells = problems.drop_duplicates("problem")[["problem", "dimension", "group"]]
    for key, cell in cells.groupby(["dimension", "group"], sort=False, dropna=False):
        dimension, group = tuple(key)  # type: ignore[misc]
        names = list(cell["problem"])
        scores = run_scores(table.loc[table["problem"].isin(names)])
        digest = targets_hash(problems.loc[problems["problem"].isin(names)])
        for method, reference in references.items():
            rows_of_method = runs.loc[(runs["estimator"] == method) & runs["problem"].isin(names)]
            if rows_of_method.empty:
                continue
            runs_made = rows_of_method.loc[rows_of_method["status"] != SKIPPED]
            at_final = final.loc[(final["estimator"] == method) & final["problem"].isin(names)]
            rates = at_final.groupby("problem")["success"].mean().to_numpy()
            computed = {
                "suite": rows_of_method["suite"].to_numpy()[0],
                "suite_version": rows_of_method["suite_version"].to_numpy()[0],
                "dimension": int(dimension) if dimension == dimension else dimension,
                "group": group,
                "method": method,
                "first_order": reference,
                "n_problems": len(rates),
                "coverage": len(runs_made)
                / max(sum(runs_planned.get(name, 0) for name in names), 1),
                "n_runs": len(runs_made),
                "n_failed": int(runs_made["status"].isin(FAILED).sum()),
                "success_rate": float(rates.mean()) if len(rates) else np.nan,
                "us_per_query": _microseconds(runs_made),
                "peak_rss_mb": median(runs_made["peak_memory"].to_numpy(float)) / 1e6,
                "targets_hash": digest,
            }
            for column in ("log_area", "aocc"):
                computed |= _columns(column, mean_score(scores, method, column, level))
            if baseline is not None and len(baseline) and len(at_final):
                frozen = at_targets(baseline, final_targets(problems))
                computed |= _against(at_final, frozen, names, level, resamples, seed)
            stated = {**(facts or {}), **(of_row or {}).get((method, group), {})}
            rows.append({**stated, **computed})
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS))


def targets_hash(problems: pd.DataFrame) -> str:
    """Return 16 hex digits of SHA-256 over problems, budgets, kinds and targets, by name."""
    columns = ["problem", "target_index", "target", "kind", "budget"]
    rows = sorted(problems[columns].to_numpy().tolist())
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def baseline_hash(frozen: pd.DataFrame) -> str:
    """Return 16 hex digits of SHA-256 over rows of a frozen run table; "" without rows.

    The hash is over run_key, target_index, length (with six digits, as in files) and success, in
    the order of runs.
    """
    columns = ["run_key", "target_index", "length", "success"]
    rows = sorted(
        f"{key} {int(index)} {float(length):.6g} {bool(success)}"
        for key, index, length, success in frozen[columns].to_numpy().tolist()
    )
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16] if rows else ""


def _columns(name: str, mean: Mean) -> dict[str, float]:
    return {name: mean.value, f"{name}_low": mean.low, f"{name}_high": mean.high}


def _microseconds(runs_made: pd.DataFrame) -> float:
    queries = runs_made["queries"].to_numpy(float)
    spent = queries > 0
    return median(runs_made["estimator_seconds"].to_numpy(float)[spent] / queries[spent]) * 1e6


def _against(
    runs: pd.DataFrame,
    baseline: pd.DataFrame,
    names: list[str],
    level: float,
    resamples: int,
    seed: int,
) -> dict[str, object]:
    """Speed-up columns; labels keep a method apart from a baseline of the same name."""
    combined = pd.concat([runs.assign(estimator="method"), baseline.assign(estimator="baseline")])
    result = speedup(combined, "method", "baseline", level, resamples, seed, names)
    return {
        "baseline": baseline["estimator"].to_numpy()[0],
        "baseline_sha256": baseline_hash(baseline.loc[baseline["problem"].isin(names)]),
        "n_speedup": result.count("both"),
        "speedup": result.ratio,
        "speedup_low": result.low,
        "speedup_high": result.high,
    }
