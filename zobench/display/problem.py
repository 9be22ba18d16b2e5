"""The table of one problem in `zobench compare`: one row per estimator."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zobench.analysis.frames import score_name
from zobench.display import text

if TYPE_CHECKING:
    import pandas as pd

TextColumns = dict[str, list[str]]  # heading -> one cell per estimator

NUMERICS = ("drift", "changed", "effective")  # effects of rounding: only in results and report


def problem_table(rows: pd.DataFrame, runs: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of a problem, from its rows of `analysis.table.summary` and its runs."""
    facts: Any = rows.iloc[0]
    # If no run reaches the final target, show the hardest target that a run reaches.
    successes = (rows[f"{name}_successes"].to_numpy() for name in ("final", "hardest"))
    final_reached, hardest_reached = (bool(column.any()) for column in successes)
    easier = hardest_reached and not final_reached
    which = "hardest" if easier else "final"
    point = "best evaluated point" if facts["kind"] == "best" else "current point"
    size = "" if math.isnan(facts["dimension"]) else f" (d = {facts['dimension']:,.0f})"
    title = f"{facts['problem']}{size}"
    line = (
        f"{title}: target {score_name(runs)} {text.number(facts[f'{which}_target'])} by the {point}"
    )
    if easier:
        line += f" (no run reaches the final target, {text.number(facts['final_target'])})"
    line += f", within {facts['budget']:,} queries"
    if count := int(rows[f"{which}_at_start"].to_numpy().sum()):
        line += (
            f"; {count} of {int(rows['runs'].to_numpy().sum())} runs meet it at the start or by "
            "the first query"
        )
    first, *rest = text.wrapped(line)
    yield first.replace(title, text.bold(title))
    yield from rest
    reach, cost, score = _reach(rows, which), _cost(rows), _score(rows)
    further = _further_scores(rows, runs)
    for parts in ([reach | cost | score | further], [reach | score, cost | further]):
        tables = [_lines(list(rows["estimator"]), part) for part in parts]
        if len(parts) > 1 or text.fits(*tables[0]):
            for head, lines in tables:
                yield from text.table(head, lines)
            break
    yield ""


def _lines(names: list[str], columns: TextColumns) -> tuple[list[str], list[list[str]]]:
    return ["estimator", *columns], [list(cells) for cells in zip(names, *columns.values())]


def _reach(rows: pd.DataFrame, which: str) -> TextColumns:
    """Return columns: runs that reach the target, and the queries and the time until then."""
    columns: TextColumns = {"reached": [], "queries": [], "time": []}
    row: Any
    for _, row in rows.iterrows():
        hit = f"{row[f'{which}_successes']}/{row['runs']}"
        columns["reached"].append(hit if row["runs"] else "skipped")
        for head, unit, show in (("queries", "queries", _queries), ("time", "seconds", _seconds)):
            name = f"{which}_{unit}"
            if 0 < row["runs"] == row[f"{which}_at_start"]:
                columns[head].append("at start")
                continue
            columns[head].append(show(row[name], row[f"{name}_low"], row[f"{name}_high"]))
    return columns


def _cost(rows: pd.DataFrame) -> TextColumns:
    """The time per query, and the memory where it was measured."""
    columns = {"per query": [text.seconds(value) for value in rows["seconds_per_query"]]}
    if rows["memory_ratio"].notna().to_numpy().any():
        columns["memory"] = [text.memory(value) for value in rows["peak_memory"]]
        columns["x eval"] = [text.number(value) for value in rows["memory_ratio"]]
    return columns


def _score(rows: pd.DataFrame) -> TextColumns:
    name = "best_score" if rows["kind"].iloc[0] == "best" else "final_score"
    return {"score": [text.number(value) for value in rows[name]]}


def _further_scores(rows: pd.DataFrame, runs: pd.DataFrame) -> TextColumns:
    """Further scores at the end, such as accuracies: medians over runs."""
    columns: TextColumns = {}
    main = score_name(runs)
    for name in dict.fromkeys(key for text_ in runs["scores"] for key in json.loads(text_)):
        if name in (main, "loss", *NUMERICS):
            continue
        values = runs["scores"].map(lambda text_, name=name: json.loads(text_).get(name, math.nan))
        medians: Any = values.astype(float).groupby(runs["estimator"]).median()
        columns[name.replace("_", " ")] = [text.number(medians.get(e)) for e in rows["estimator"]]
    return columns


def _queries(value: float, low: float, high: float) -> str:
    """Return 398 [310, 520]; without a success the lower limit alone: > 2,070."""
    if math.isinf(value):
        return f"> {text.count(low)}" if low > 0 else "inf"
    if _no_interval(low, high):
        return text.count(value)
    return text.interval(text.count(value), text.count(low), text.count(high))


def _seconds(value: float, low: float, high: float) -> str:
    if math.isinf(value):
        return f"> {text.seconds(low)}" if low > 0 else "inf"
    return text.seconds(value) if _no_interval(low, high) else text.seconds(value, low, high)


def _no_interval(low: float, high: float) -> bool:
    """True if there are too few runs for an interval."""
    return math.isnan(low) or (low == 0 and math.isinf(high))
