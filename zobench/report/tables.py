"""The tables of a report as text: results, troubles, targets, settings, environments."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from zobench.analysis import words
from zobench.analysis.frames import FAILED, merge_reasons
from zobench.analysis.speedup import Speedup
from zobench.report.source import TROUBLE, Source

NAMES = {
    "zobench": "zobench", "commit": "git commit", "python": "Python", "os": "system",
    "machine": "machine", "cpu": "processor", "cores": "cores", "memory": "memory", "gpus": "GPUs",
    "threads": "threads per run", "jobs": "runs at the same time",
}  # fmt: skip
TUNED = {"baseline": "tuned (baselines)", "user": "given by the user", "default": "default"}


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, the value to sort by, and a note on a second, smaller line."""

    text: str
    sort: Any = None
    note: str = ""


def results(source: Source) -> list[dict[str, Cell]]:
    """Return one row per problem and estimator.

    The target is the final one; if no estimator reached it, the hardest that any reached.
    """
    rows = []
    if not len(source.summary):
        return rows
    for _, part in source.summary.groupby("problem", sort=False):
        easier = not part["final_successes"].any() and part["hardest_successes"].any()
        which = "hardest" if easier else "final"
        rows += [_result(row, which) for row in part.to_dict("records")]
    return rows


def _result(row: dict[str, Any], which: str) -> dict[str, Cell]:
    target = words.number(row[f"{which}_target"])
    note = f"final {words.number(row['final_target'])}: none" if which == "hardest" else ""
    hits, runs = row[f"{which}_successes"], row["runs"]
    name = f"{row['estimator']} (first-order reference)" if row["first_order"] else row["estimator"]
    score = row["best_score" if row["kind"] == "best" else "final_score"]
    cells = {
        "problem": Cell(row["problem"]),
        "estimator": Cell(name),
        "target": Cell(target, row[f"{which}_target"], note),
        "reached": Cell(f"{hits}/{runs}" if runs else "skipped", hits / runs if runs else -1),
    }
    for unit, show in (("queries", words.count), ("seconds", words.duration)):
        value, low, high = (row[f"{which}_{unit}{end}"] for end in ("", "_low", "_high"))
        text, limits = words.with_limits(show, value, low, high)
        if 0 < runs == row[f"{which}_at_start"]:
            text, limits = "at the start", ""
        cells[unit] = Cell(text, value, limits)
    cells |= {
        "score": Cell(words.number(score), score),
        "per query": Cell(words.duration(row["seconds_per_query"]), row["seconds_per_query"]),
        "memory": Cell(words.memory(row["peak_memory"]), row["peak_memory"]),
        "× eval": Cell(words.number(row["memory_ratio"]), row["memory_ratio"]),
        "ended": Cell(row["statuses"]),
    }
    return cells


def ranking(source: Source) -> list[dict[str, Any]]:
    """Return estimators by score: place, name, value, low, high.

    The limits are NaN if there is one run, or if all runs are equal.
    """
    order = source.verdict.ranking if source.verdict else None
    if order is None:
        return []
    rows = zip(order.names, order.scores)
    return [
        {"place": rank, "name": name, "value": s.value, "low": s.low, "high": s.high}
        for rank, (name, s) in enumerate(rows, 1)
    ]


def pairs(source: Source) -> list[dict[str, Any]]:
    """Return the pairs of the verdict at the final targets: sentences and speed-ups."""
    rows = []
    for pair in source.verdict.pairs if source.verdict else ():
        s = pair.queries
        outcome = {1: "sooner", -1: "later"}.get(s.shown, "not shown")
        rows.append(
            {"a": pair.a, "b": pair.b, "lines": pair.lines, "value": s.ratio, "low": s.low}
            | {"high": s.high, "shown": outcome if s.ratio == s.ratio else "no factor"}
            | {"queries": _factor(s), "seconds": _factor(pair.seconds, s)}
            | {"factor": pair.seconds.ratio}
            | {"both": f"{s.count('both')} of {s.compared}", "alone": _alone(s)}
        )
    return rows


def _alone(speedup: Speedup) -> str:
    """Return the number of problems that only one of the two reached, as text."""
    sides = (speedup.a, speedup.count("only_a")), (speedup.b, speedup.count("only_b"))
    return ", ".join(f"{name} alone: {count}" for name, count in sides if count)


def _factor(speedup: Speedup, queries: Speedup | None = None) -> tuple[str, str]:
    """Return a factor and its interval as text; and the problems, if fewer than in queries."""
    if math.isnan(speedup.ratio):
        return words.UNKNOWN, ""
    limits = f"{words.number(speedup.low)} to {words.number(speedup.high)}"
    n_both = speedup.count("both")
    few = f", on only {n_both}" if queries and n_both < queries.count("both") else ""
    return f"{words.number(speedup.ratio)}×", limits + few


def troubles(source: Source) -> list[dict[str, Any]]:
    """Return the failed, diverged and skipped runs: number, estimator, problems, reason."""
    runs = source.runs
    part: Any = merge_reasons(runs[runs["status"].isin(TROUBLE)])
    rows = []
    for key, rows_of_group in part.groupby(["status", "estimator", "reason"], sort=False):
        status, estimator, reason = key
        rows.append(
            {
                "status": status,
                "estimator": estimator,
                "count": len(rows_of_group),
                "problems": list(dict.fromkeys(rows_of_group["problem"])),
                "reason": reason or "no reason was given",
            }
        )
    return sorted(rows, key=lambda row: TROUBLE.index(row["status"]))


def counts(source: Source) -> str:
    """Return the numbers of failed and skipped runs as text."""
    runs = source.runs["status"]
    failed = int(runs.isin(FAILED).sum())
    skipped = int((runs == "skipped").sum())
    parts = [f"{words.quantity(failed, 'run')} in trouble"] if failed else []
    parts += [f"{skipped:,} skipped"] if skipped else []
    return ", ".join(parts) if parts else "no failures"


def targets(source: Source) -> list[dict[str, Any]]:
    """Return the facts and all targets of each problem."""
    rows = []
    for name, part in source.problems.groupby("problem", sort=False):
        first = part.sort_values("target_index").iloc[0]
        rows.append(
            {
                "problem": name,
                "group": first["group"],
                "objective": first.get("objective", ""),
                "dimension": words.count(first["dimension"]),
                "budget": words.count(first["budget"]),
                "kind": "best evaluated point" if first["kind"] == "best" else "current point",
                "how": first.get("how", "") or "",
                "targets": [words.number(v) for v in part.sort_values("target_index")["target"]],
            }
        )
    return rows


def settings(source: Source) -> Iterator[dict[str, Any]]:
    """Yield the settings of each estimator, per set of groups that share them."""
    groups_of: dict[tuple[str, str, str], list[str]] = {}
    columns = ["estimator", "settings", "settings_from", "group"]
    if not set(columns) <= set(source.runs.columns):
        return
    for row in source.runs[columns].drop_duplicates().itertuples(index=False, name=None):
        groups_of.setdefault((str(row[0]), str(row[1]), str(row[2])), []).append(str(row[3]))
    for (name, values, origins), groups in sorted(
        groups_of.items(), key=lambda item: source.estimators.index(item[0][0])
    ):
        values_of, origin = json.loads(values or "{}"), json.loads(origins or "{}")
        rows = [
            {"name": key, "value": value if isinstance(value, str) else json.dumps(value),
             "origin": TUNED.get(origin.get(key, ""), origin.get(key, "") or words.UNKNOWN)}
            for key, value in values_of.items()
        ]  # fmt: skip
        yield {"estimator": name, "groups": list(dict.fromkeys(groups)), "rows": rows}


def environments(source: Source) -> list[dict[str, Any]]:
    """Return the facts of each environment, and the number of runs made in it."""
    result = []
    counts = source.runs["environment"].value_counts() if "environment" in source.runs else {}
    for key, number in dict(counts).items():
        facts = dict(source.environments.get(str(key), {}))
        packages = facts.pop("packages", {})
        rows = [(NAMES.get(name, name), _fact(name, value)) for name, value in facts.items()]
        rows += [("packages", ", ".join(f"{n} {v}" for n, v in dict(packages).items()))]
        result.append({"runs": int(number), "rows": [(n, v) for n, v in rows if v]})
    return result


def _fact(name: str, value: Any) -> str:
    if name == "memory":
        return words.memory(value) if value else ""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)
