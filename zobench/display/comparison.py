"""What `zobench compare` shows: a table a problem, the speed-ups, a verdict, and the trouble."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer

from zobench.display import text
from zobench.display.picture import check_picture, save_picture
from zobench.display.problem import problem_table
from zobench.display.progress import shown
from zobench.display.runs import ending, troubles
from zobench.results.frame import Frame
from zobench.results.notes import notes
from zobench.results.results import Results
from zobench.running.comparison import Comparison, comparison, judged
from zobench.running.making import Request

MANY = 8  # problems; with more, only the means of groups are shown unless asked for


def show_comparison(
    request: Request, every: bool, picture: Path | None = None, report: Path | None = None
) -> int:
    """Make the runs, print what came of them, write the page; the exit status.

    `picture`: an SVG file of what is shown. `report`: the page (default: report.html beside the
    results).
    """
    from zobench.report import write as page

    for path, check in ((picture, check_picture), (report, page.check_page)):
        if path:
            check(path)
    found = comparison(request, shown)
    lines = _lines(found, every)
    known = {"summary": found.summary, "verdict": found.found}
    made = page.source(found.results, request.suite, known)
    written = page.write(made, report or found.folder / "report.html")
    lines += [*ending(found.results, found.files), f"Report: {written}"]
    typer.echo("\n".join(lines))
    if picture:
        title = " ".join(["zobench compare", *request.estimators])
        save_picture("\n".join(lines).splitlines(), picture, title)
    return int(found.results.failed or found.slower or found.unjudged)


def stored_lines(results: Results) -> list[str]:
    """What `zobench compare` would print of results that are there."""
    if not len(results.runs):
        return [f"{results.folder} holds no run that was made."]
    return _lines(judged(results), every=False)


def _lines(found: Comparison, every: bool) -> list[str]:
    """Head, tables, verdict, troubles, settings."""
    lines = [*_head(found.results), ""]
    problems = list(dict.fromkeys(found.summary["problem"]))
    if len(problems) <= MANY or every:
        for problem in problems:
            rows, runs = (f[f["problem"] == problem] for f in (found.summary, found.runs))
            lines += problem_table(rows, runs)
    else:
        lines += _groups(found.summary)
    lines += [*_legend(found.summary), "", *_verdict(found), *troubles(found.runs)]
    if found.slowdowns:
        from zobench.display.slower import slower_lines

        lines += slower_lines(found.slowdowns)
    return [*lines, *_settings(found.results)]


def _head(results: Results) -> Iterator[str]:
    first = results.specs[0]
    name, *others = results.names
    count = len({spec.problem.id for spec in results.specs})
    against = f" against {', '.join(others)}" if others else ""
    yield text.bold(f"{name}{against}")
    yield (
        f"suite {first.suite} {first.suite_version}: {count} problem{'s' * (count != 1)}, "
        f"{len(results.runs):,} runs"
    )


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
        "run reached it, and it takes at least x (97.5 %); without an interval: fewer than 4 runs, "
        "or all alike. score and what follows: at the end, median. a query: time of one, objective "
        "included.",
    ]
    if summary["memory_ratio"].notna().any():
        lines.append("memory: peak above what the process held before the problem was built; "
                     "x eval: its ratio to that of evaluating alone.")  # fmt: skip
    if summary["first_order"].any():
        names = ", ".join(dict.fromkeys(summary[summary["first_order"]]["estimator"]))
        lines.append(f"{names}: uses gradients, a reference line.")
    for line in lines:
        yield from (text.dim(part) for part in text.wrapped(line))


def _verdict(found: Comparison) -> Iterator[str]:
    said = found.verdict.splitlines() if found.found else [_alone(found)]
    lines = [*said, *notes(found.results)]
    if lines:
        yield text.bold("Verdict")
        for line in lines:
            yield from text.wrapped(line, indent="  ")
        yield ""


def _alone(found: Comparison) -> str:
    from zobench.analysis.frames import SKIPPED
    from zobench.analysis.sentences import alone_sentence

    made = int((found.runs["status"] != SKIPPED).sum())
    return alone_sentence(found.results.names[0], found.summary, made, len(found.runs))


def _settings(results: Results) -> Iterator[str]:
    """Where settings do not come from the command line: that belongs to the verdict."""
    tuned: dict[str, dict[str, str]] = {}
    for spec in results.specs:
        chosen = spec.estimator
        from_file = [k for k, origin in chosen.settings_from.items() if origin == "baseline"]
        if from_file:
            said = ", ".join(f"{k}={chosen.settings[k]}" for k in from_file)
            tuned.setdefault(chosen.text, {})[spec.problem.group] = said
    for name, groups in tuned.items():
        for group, said in groups.items():
            yield from text.wrapped(f"{name} on {group}: tuned settings (baselines) {said}")
    if tuned:
        yield ""
