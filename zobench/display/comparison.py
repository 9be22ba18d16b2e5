"""What `zobench compare` shows: a table a problem, the speed-ups, a verdict, and the trouble."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Iterator
from typing import Any

import typer

from zobench.api.comparison import Comparison, comparison
from zobench.api.frame import Frame
from zobench.api.making import Request, Results
from zobench.api.versus import verdict
from zobench.display import text
from zobench.display.progress import shown
from zobench.display.runs import ending, troubles

MANY = 8  # problems; with more, only the means of groups are shown unless asked for


def show_comparison(request: Request, every: bool) -> int:
    """Make the runs, print what came of them; the exit status."""
    found = comparison(request, shown)
    lines = [*_head(found.results), ""]
    problems = list(dict.fromkeys(found.summary["problem"]))
    if len(problems) <= MANY or every:
        for problem in problems:
            lines += _problem(found.summary[found.summary["problem"] == problem])
    else:
        lines += _groups(found.summary)
    lines += [*_legend(found.summary), "", *_speedups(found), *troubles(found.runs)]
    lines += [*_settings(found.results), *ending(found.results, found.files)]
    typer.echo("\n".join(lines))
    return int(found.results.failed)


def _head(results: Results) -> Iterator[str]:
    first = results.specs[0]
    names = dict.fromkeys(spec.estimator.display for spec in results.specs)
    counts = {spec.problem.id: spec.problem for spec in results.specs}
    yield text.bold(
        f"{' against '.join(names)}, suite {first.suite} {first.suite_version}: "
        f"{len(counts)} problem{'s' * (len(counts) != 1)}, {len(results.runs)} runs"
    )


def _problem(rows: Frame) -> Iterator[str]:
    facts = rows.iloc[0]
    point = "best evaluated point" if facts["kind"] == "best" else "current point"
    size = "" if math.isnan(facts["dimension"]) else f" (d = {facts['dimension']:,.0f})"
    yield text.bold(f"{facts['problem']}{size}") + (
        f": target {text.number(facts['target'])} by the {point}, "
        f"within {facts['budget']:,} queries"
    )
    head, cells = _columns(rows)
    yield from text.table(["estimator", *head], [[r.estimator, *cells(r)] for r in rows.itertuples()])
    yield ""


def _columns(rows: Frame):
    """The column heads and what fills them; memory only where it was measured."""
    measured = bool(rows["memory_ratio"].notna().any())
    head = ["reached", "queries to target", "time to target", "ms/query"]
    head += ["memory", "x eval"] if measured else []
    head += ["final score"]

    def cells(row: Any) -> list[str]:
        made = row.runs - row.skipped
        if not made:
            return ["skipped"] + ["-"] * (len(head) - 1)
        listed = [
            f"{row.successes}/{made}",
            _ert(row.ert_queries, row.ert_queries_low, row.ert_queries_high, text.count),
            _ert(row.ert_seconds, row.ert_seconds_low, row.ert_seconds_high, text.seconds),
            text.number(row.ms_per_query),
        ]
        if measured:
            listed += [text.memory(row.peak_memory), text.number(row.memory_ratio)]
        return [*listed, text.number(row.final_score)]

    return head, cells


def _ert(value: float, low: float, high: float, show: Any) -> str:
    """398 [310, 520]; without a success the lower limit alone: > 2,070."""
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return f"> {show(low)}"
    if low == 0 and math.isinf(high):
        return show(value)
    return text.interval(show(value), show(low), show(high))


def _groups(summary: Frame) -> Iterator[str]:
    """One row a group and estimator, where problems are too many for a table each."""
    for (group, dimension), part in summary.groupby(["group", "dimension"], sort=False, dropna=False):
        count = part["problem"].nunique()
        yield text.bold(f"{group} (d = {dimension:,.0f})") + f": {count} problems"
        rows = []
        for estimator, some in part.groupby("estimator", sort=False):
            made = int((some["runs"] - some["skipped"]).sum())
            solved = int((some["successes"] > 0).sum())
            rows.append([
                estimator,
                f"{solved}/{count}",
                f"{int(some['successes'].sum())}/{made}",
                text.number(some["ms_per_query"].median()),
            ])  # fmt: skip
        head = ["estimator", "problems solved", "runs that reach the target", "ms/query"]
        yield from text.table(head, rows)
        yield ""
    yield "(--all shows a table for every problem; summary.csv has them too)"


def _legend(summary: Frame) -> Iterator[str]:
    lines = [
        "reached: runs that reach the final target. queries, time to target: expected, with "
        "restarts (all that was spent / successes), and 95 % interval; > x: no run reached it, at "
        "least x with 97.5 % confidence. No interval: fewer than 4 runs. final score: median.",
    ]
    if summary["memory_ratio"].notna().any():
        lines.append("memory: peak of the process; x eval: ratio to evaluating alone, both above "
                     "what it held before.")  # fmt: skip
    if summary["first_order"].any():
        names = ", ".join(dict.fromkeys(summary[summary["first_order"]]["estimator"]))
        lines.append(f"{names}: uses gradients, a reference line.")
    for line in lines:
        yield from (text.dim(part) for part in textwrap.wrap(line, min(text.width(), text.WIDEST)))


def _speedups(found: Comparison) -> Iterator[str]:
    for pair in found.pairs:
        yield from textwrap.wrap(verdict(pair), min(text.width(), text.WIDEST))
        yield ""


def _settings(results: Results) -> Iterator[str]:
    """Where settings do not come from the command line: that belongs to the verdict."""
    tuned: dict[str, dict[str, str]] = {}
    for spec in results.specs:
        chosen = spec.estimator
        from_file = [k for k, origin in chosen.settings_from.items() if origin == "baseline"]
        if from_file:
            said = ", ".join(f"{k}={chosen.settings[k]}" for k in from_file)
            tuned.setdefault(chosen.display, {})[spec.problem.group] = said
    for name, groups in tuned.items():
        for group, said in groups.items():
            yield f"{name} on {group}: tuned settings (baselines) {said}"
    plain = dict.fromkeys(s.estimator.display for s in results.specs)
    untuned = [name for name in plain if name not in tuned]
    if untuned and tuned:
        yield f"not tuned for this suite: {', '.join(untuned)} (zobench tune)"
    if tuned:
        yield ""
