"""What `zobench compare` shows: a table a problem, the speed-ups, a verdict, and the trouble."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import typer

from zobench.api.comparison import Comparison, comparison
from zobench.api.frame import Frame
from zobench.api.making import Request, Results
from zobench.display import text
from zobench.display.picture import save_picture
from zobench.display.progress import shown
from zobench.display.runs import ending, troubles

MANY = 8  # problems; with more, only the means of groups are shown unless asked for


def show_comparison(request: Request, every: bool, picture: Path | None = None) -> int:
    """Make the runs, print what came of them, also as an SVG `picture`; the exit status."""
    found = comparison(request, shown)
    lines = [*_head(found.results), ""]
    problems = list(dict.fromkeys(found.summary["problem"]))
    if len(problems) <= MANY or every:
        for problem in problems:
            lines += _problem(found.summary[found.summary["problem"] == problem])
    else:
        lines += _groups(found.summary)
    lines += [*_legend(found.summary), "", *_verdict(found), *troubles(found.runs)]
    lines += [*_settings(found.results), *ending(found.results, found.files)]
    typer.echo("\n".join(lines))
    if picture:
        title = " ".join(["zobench compare", *request.estimators])
        save_picture("\n".join(lines).splitlines(), picture, title)
    return int(found.results.failed)


def _head(results: Results) -> Iterator[str]:
    first = results.specs[0]
    name, *others = dict.fromkeys(spec.estimator.display for spec in results.specs)
    count = len({spec.problem.id for spec in results.specs})
    against = f" against {', '.join(others)}" if others else ""
    yield text.bold(f"{name}{against}")
    yield (
        f"suite {first.suite} {first.suite_version}: {count} problem{'s' * (count != 1)}, "
        f"{len(results.runs):,} runs"
    )


def _problem(rows: Frame) -> Iterator[str]:
    facts = rows.iloc[0]
    # Where nobody reaches the final target, the hardest that somebody reaches says more.
    easier = not rows["final_successes"].any() and rows["hardest_successes"].any()
    which = "hardest" if easier else "final"
    point = "best evaluated point" if facts["kind"] == "best" else "current point"
    size = "" if math.isnan(facts["dimension"]) else f" (d = {facts['dimension']:,.0f})"
    title = f"{facts['problem']}{size}"
    line = f"{title}: target {text.number(facts[f'{which}_target'])} by the {point}"
    if easier:
        line += f" (none reaches the final one, {text.number(facts['final_target'])})"
    first, *others = text.wrapped(f"{line}, within {facts['budget']:,} queries")
    yield first.replace(title, text.bold(title))
    yield from others
    reach, cost, score = _reach(rows, which), _cost(rows), _score(rows)
    head = ["estimator", *reach, *cost, *score]
    names = list(rows["estimator"])
    lines = [list(c) for c in zip(names, *[*reach.values(), *cost.values(), *score.values()])]
    if text.fits(head, lines):
        yield from text.table(head, lines)
    else:
        for part in (reach | score, cost):
            lines = [list(cells) for cells in zip(names, *part.values())]
            yield from text.table(["estimator", *part], lines)
    yield ""


Columns = dict[str, list[str]]  # head -> a cell for each estimator


def _reach(rows: Frame, which: str) -> Columns:
    """How many runs reach the target, and after how long."""
    found: Columns = {"reached": [], "queries": [], "time": []}
    for _, row in rows.iterrows():
        hit = f"{row[f'{which}_successes']}/{row['runs']}"
        found["reached"].append(hit if row["runs"] else "skipped")
        for head, unit, show in (("queries", "queries", _queries), ("time", "seconds", _seconds)):
            name = f"{which}_{unit}"
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


def _queries(value: float, low: float, high: float) -> str:
    """398 [310, 520]; without a success the lower limit alone: > 2,070."""
    if math.isinf(value):
        return f"> {text.count(low)}"
    if _unknown(low, high):
        return text.count(value)
    return text.interval(text.count(value), text.count(low), text.count(high))


def _seconds(value: float, low: float, high: float) -> str:
    if math.isinf(value):
        return f"> {text.seconds(low)}"
    return text.seconds(value) if _unknown(low, high) else text.seconds(value, low, high)


def _unknown(low: float, high: float) -> bool:
    """Too few runs for an interval, or none."""
    return math.isnan(low) or (low == 0 and math.isinf(high))


def _groups(summary: Frame) -> Iterator[str]:
    """One row a group and estimator, where problems are too many for a table each."""
    for (group, dimension), part in summary.groupby(
        ["group", "dimension"], sort=False, dropna=False
    ):
        count = part["problem"].nunique()
        yield (
            text.bold(f"{group} (d = {dimension:,.0f})") + f": {count} problem{'s' * (count != 1)}"
        )
        rows = []
        for estimator, some in part.groupby("estimator", sort=False):
            made = int(some["runs"].sum())
            solved = int((some["final_successes"] > 0).sum())
            rows.append([
                estimator,
                f"{solved}/{count}",
                f"{int(some['final_successes'].sum())}/{made}",
                text.seconds(some["seconds_per_query"].median()),
            ])  # fmt: skip
        head = ["estimator", "problems solved", "runs that reach the target", "a query"]
        yield from text.table(head, rows)
        yield ""
    yield "(--all shows a table for every problem; summary.csv has them too)"


def _legend(summary: Frame) -> Iterator[str]:
    lines = [
        "reached: runs that reach the target. queries, time: expected "
        "until then, with restarts (all that was spent / successes), and 95 % interval; > x: no "
        "run reached it, and it takes at least x (97.5 %); without an interval: fewer than 4 runs. "
        "score: at the end, median. a query: time of one, objective included.",
    ]
    if summary["memory_ratio"].notna().any():
        lines.append("memory: peak of the process; x eval: ratio to evaluating alone, both above "
                     "what it held before.")  # fmt: skip
    if summary["first_order"].any():
        names = ", ".join(dict.fromkeys(summary[summary["first_order"]]["estimator"]))
        lines.append(f"{names}: uses gradients, a reference line.")
    for line in lines:
        yield from (text.dim(part) for part in text.wrapped(line))


def _verdict(found: Comparison) -> Iterator[str]:
    if found.verdict:
        yield text.bold("Verdict")
        for line in found.verdict.splitlines():
            yield from text.wrapped(line, indent="  ")
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
            yield from text.wrapped(f"{name} on {group}: tuned settings (baselines) {said}")
    plain = dict.fromkeys(s.estimator.display for s in results.specs)
    untuned = [name for name in plain if name not in tuned]
    if untuned and tuned:
        line = f"not tuned for this suite: {', '.join(untuned)} (zobench tune)"
        yield from text.wrapped(line)
    if tuned:
        yield ""
