"""The table of one problem in `zobench compare`: a row an estimator."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from zobench.display import text
from zobench.results.frame import Frame

Columns = dict[str, list[str]]  # head -> a cell for each estimator

NUMERICS = ("drift", "changed", "effective")  # of rounding, in the results and the report


def problem_table(rows: Frame, runs: Frame) -> Iterator[str]:
    """Lines for a problem's rows of `analysis.table.summary` and its runs."""
    facts = rows.iloc[0]
    # Where nobody reaches the final target, the hardest that somebody reaches says more.
    easier = not rows["final_successes"].any() and rows["hardest_successes"].any()
    which = "hardest" if easier else "final"
    point = "best evaluated point" if facts["kind"] == "best" else "current point"
    size = "" if math.isnan(facts["dimension"]) else f" (d = {facts['dimension']:,.0f})"
    title = f"{facts['problem']}{size}"
    line = (
        f"{title}: target {_score_name(runs)}{text.number(facts[f'{which}_target'])} by the {point}"
    )
    if easier:
        line += f" (none reaches the final one, {text.number(facts['final_target'])})"
    line += f", within {facts['budget']:,} queries"
    if met := int(rows[f"{which}_at_start"].sum()):
        line += (
            f"; met at the start or by the first query, by {met} of {int(rows['runs'].sum())} runs"
        )
    first, *rest = text.wrapped(line)
    yield first.replace(title, text.bold(title))
    yield from rest
    reach, cost, score = _reach(rows, which), _cost(rows), _score(rows)
    others = _others(rows, runs)
    for parts in ([reach | cost | score | others], [reach | score, cost | others]):
        tables = [_lines(list(rows["estimator"]), part) for part in parts]
        if len(parts) > 1 or text.fits(*tables[0]):
            for head, lines in tables:
                yield from text.table(head, lines)
            break
    yield ""


def _lines(names: list[str], columns: Columns) -> tuple[list[str], list[list[str]]]:
    return ["estimator", *columns], [list(cells) for cells in zip(names, *columns.values())]


def _reach(rows: Frame, which: str) -> Columns:
    """How many runs reach the target, and after how long."""
    found: Columns = {"reached": [], "queries": [], "time": []}
    for _, row in rows.iterrows():
        hit = f"{row[f'{which}_successes']}/{row['runs']}"
        found["reached"].append(hit if row["runs"] else "skipped")
        for head, unit, show in (("queries", "queries", _queries), ("time", "seconds", _seconds)):
            name = f"{which}_{unit}"
            if 0 < row["runs"] == row[f"{which}_at_start"]:
                found[head].append("at start")
                continue
            found[head].append(show(row[name], row[f"{name}_low"], row[f"{name}_high"]))
    return found


def _cost(rows: Frame) -> Columns:
    """What a query costs; memory only where it was measured."""
    found = {"a query": [text.seconds(value) for value in rows["seconds_per_query"]]}
    if rows["memory_ratio"].notna().any():
        found["memory"] = [text.memory(value) for value in rows["peak_memory"]]
        found["x eval"] = [text.number(value) for value in rows["memory_ratio"]]
    return found


def _score(rows: Frame) -> Columns:
    name = "best_score" if rows["kind"].iloc[0] == "best" else "final_score"
    return {"score": [text.number(value) for value in rows[name]]}


def _others(rows: Frame, runs: Frame) -> Columns:
    """What else the problem scores at the end, such as accuracies: medians over runs."""
    found: Columns = {}
    known = _score_name(runs).strip()
    for name in dict.fromkeys(key for text_ in runs["scores"] for key in json.loads(text_)):
        if name in (known, "loss", *NUMERICS):
            continue
        values = runs["scores"].map(lambda text_, name=name: json.loads(text_).get(name, math.nan))
        medians = values.astype(float).groupby(runs["estimator"]).median()
        found[name.replace("_", " ")] = [text.number(medians.get(e)) for e in rows["estimator"]]
    return found


def _score_name(runs: Frame) -> str:
    """What targets are values of, such as "gap ": the first score that equals the final one."""
    for said, final in zip(runs["scores"], runs["final_score"]):
        for name, value in json.loads(said).items():
            if value == final:
                return f"{name} "
    return ""


def _queries(value: float, low: float, high: float) -> str:
    """398 [310, 520]; without a success the lower limit alone: > 2,070."""
    if math.isinf(value):
        return f"> {text.count(low)}" if low > 0 else "inf"
    if _unknown(low, high):
        return text.count(value)
    return text.interval(text.count(value), text.count(low), text.count(high))


def _seconds(value: float, low: float, high: float) -> str:
    if math.isinf(value):
        return f"> {text.seconds(low)}" if low > 0 else "inf"
    return text.seconds(value) if _unknown(low, high) else text.seconds(value, low, high)


def _unknown(low: float, high: float) -> bool:
    """Too few runs for an interval, or none."""
    return math.isnan(low) or (low == 0 and math.isinf(high))
