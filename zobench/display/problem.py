"""The table of one problem in `zobench compare`: one row per estimator."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from zobench.analysis.frames import score_name
from zobench.display import text

if TYPE_CHECKING:
    import pandas as pd

TextColumns = dict[str, list[str]]  # heading -> one cell per estimator

NUMERICS = ("drift", "changed", "effective")  # effects of rounding: only in results and report


def problem_table(
    rows: pd.DataFrame, runs: pd.DataFrame, traces: pd.DataFrame, details: bool
) -> Iterator[str]:
    """Yield the lines of a problem.

    Args:
        rows: its rows of `analysis.table.summary`.
        runs: its runs.
        traces: their traces, perhaps among those of others.
        details: True for all columns; else those that fit into WIDEST columns of text.
    """
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
    has_run = rows["runs"].to_numpy() > 0
    skipped: Any = rows.loc[~has_run].to_dict("records")
    reasons = {str(row["estimator"]): _reason(row) for row in skipped}
    names = list(rows["estimator"])
    rows = rows.loc[has_run]
    if len(rows):
        reach, cost, score = _reach(rows, which, details), _cost(rows), _score(rows)
        further = _further_scores(rows, runs)
        made = list(rows["estimator"])
        if details:
            parts = [reach | cost | score | further]
            if not text.fits(*_lines(made, parts[0])):
                parts = [reach | score, cost | further]
        else:
            parts = [_fitting(made, reach | score, cost, further)]
        for part in parts:
            lines = text.table(*_lines(made, part))
            yield from _with_skipped(lines, names, reasons)
            reasons = {}
    else:
        yield from _with_skipped([], names, reasons)
    if facts["kind"] == "current":
        from zobench.analysis.cautions import rises  # with pandas

        for rise in rises(runs, traces):
            yield from text.wrapped(
                f"{rise.estimator} rose again after query {text.count(rise.queries)}: score "
                f"{text.number(rise.low)} there, {text.number(rise.final)} at the end (medians)",
                indent="  ",
            )
    yield ""


def _reason(row: Any) -> str:
    """Return why an estimator made no run, without the count before it."""
    return row["reasons"].partition(" skipped: ")[2] or row["statuses"]


def _with_skipped(lines: list[str], names: list[str], reasons: dict[str, str]) -> Iterator[str]:
    """Yield a table, and in it a line for each estimator that made no run, with the reason."""
    widest = max([text.NARROWEST, *map(len, names)])
    made = iter(lines[1:])
    yield from lines[:1]
    for name in names:
        if name not in reasons:
            yield from islice(made, 1)
            continue
        line = f"  {name.ljust(widest)}  skipped: {reasons[name]}"
        yield text.shortened(line, text.WIDEST)


def _fitting(
    names: list[str], columns: TextColumns, cost: TextColumns, further: TextColumns
) -> TextColumns:
    """Return the columns and those of the others that fit, the most telling ones first."""
    order = ["memory", "x eval", "per query", *(c for c in further if c.startswith("test"))]
    others = cost | further
    kept = dict(columns)
    for name in [*order, *others]:
        if name in others and name not in kept:
            candidate = kept | {name: others[name]}
            head, rows = _lines(names, candidate)
            if text.length(head, rows) <= text.WIDEST:
                kept = candidate
    ordered = [*list(columns)[:-1], *cost, list(columns)[-1], *further]
    return {name: kept[name] for name in ordered if name in kept}


def _lines(names: list[str], columns: TextColumns) -> tuple[list[str], list[list[str]]]:
    return ["estimator", *columns], [list(cells) for cells in zip(names, *columns.values())]


def _reach(rows: pd.DataFrame, which: str, details: bool) -> TextColumns:
    """Return columns: runs that reach the target, and the queries and the time until then.

    `details`: True for the interval of the time too.
    """
    columns: TextColumns = {"reached": [], "queries": [], "time": []}
    row: Any
    for _, row in rows.iterrows():
        hit = f"{row[f'{which}_successes']}/{row['runs']}"
        columns["reached"].append(hit)
        for head, unit, show in (("queries", "queries", _queries), ("time", "seconds", _seconds)):
            name = f"{which}_{unit}"
            if 0 < row["runs"] == row[f"{which}_at_start"]:
                columns[head].append("at start")
                continue
            limits = row[f"{name}_low"], row[f"{name}_high"]
            if head == "time" and not details:
                columns[head].append(_seconds(row[name], math.nan, math.nan))
            else:
                columns[head].append(show(row[name], *limits))
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
    """Return 398 [310, 520]; without a success the lower limit in words: missed (over 2,070)."""
    if math.isinf(value):
        return f"missed (over {text.count(low)})" if low > 0 else "missed"
    if _no_interval(low, high):
        return text.count(value)
    return text.interval(text.count(value), text.count(low), text.count(high))


def _seconds(value: float, low: float, high: float) -> str:
    if math.isinf(value):
        return f"missed (over {text.seconds(low)})" if low > 0 else "missed"
    return text.seconds(value) if _no_interval(low, high) else text.seconds(value, low, high)


def _no_interval(low: float, high: float) -> bool:
    """True if there are too few runs for an interval."""
    return math.isnan(low) or (low == 0 and math.isinf(high))
