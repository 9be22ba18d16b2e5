"""Output of `zobench compare`: one table per problem, the verdict, and the runs that failed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from zobench.display import text
from zobench.display.picture import check_picture, save_picture
from zobench.display.problem import problem_table
from zobench.display.progress import progress_display
from zobench.display.runs import ending, off_the_clock, troubles
from zobench.results.notes import basis, notes
from zobench.results.results import Results, large_table
from zobench.running.comparison import Comparison, comparison, judged
from zobench.running.making import Request

if TYPE_CHECKING:
    import pandas as pd

MANY = 8  # problems; with more, one table per group is shown, unless --all is given


def show_comparison(
    request: Request,
    every: bool,
    picture: Path | None = None,
    report: Path | None = None,
    details: bool = False,
) -> int:
    """Make the runs, print the comparison, write the page, and return the exit status.

    `picture`: an SVG file of the output. `report`: the page (default: report.html in the results
    folder). `details`: True for all columns, what they mean, and the settings.
    """
    from zobench.report import write as page

    for path, check in ((picture, check_picture), (report, page.check_page)):
        if path:
            check(path)
    result = comparison(request, progress_display)
    tables = {"summary": result.summary, "verdict": result.details, "tables": result.tables}
    source = page.source(result.results, request.suite, tables)
    written = page.write(source, report or result.folder / "report.html")
    closing = [*ending(result.results, result.files), f"Report: {written}", ""]
    lines = _lines(result, every, details, closing)
    typer.echo("\n".join(lines))
    if picture:
        title = " ".join(["zobench compare", *request.estimators])
        save_picture("\n".join(lines).splitlines(), picture, title)
    return int(result.results.failed or result.slower or result.unjudged)


def stored_lines(results: Results) -> list[str]:
    """Return the lines that `zobench compare` prints, for stored results."""
    if not len(results.runs):
        return [f"{results.folder} has planned runs, but none of them was made."]
    return _lines(judged(results), every=False, details=False, closing=[])


def _lines(result: Comparison, every: bool, details: bool, closing: list[str]) -> list[str]:
    """Return head, tables, failed runs, `closing`, and the verdict."""
    lines = [*_head(result.results), ""]
    traces = large_table(result.results, "traces")
    problems = list(dict.fromkeys(result.summary["problem"]))
    if len(problems) <= MANY or every:
        for problem in problems:
            rows, runs = (f.loc[f["problem"] == problem] for f in (result.summary, result.runs))
            lines += problem_table(rows, runs, traces, details)
    else:
        lines += _groups(result.summary)
    if details:
        lines += [*_legend(result.summary), *off_the_clock(result.runs), ""]
        lines += _settings(result.results)
    else:
        lines += [text.dim("--details: all columns, what they mean, and the settings"), ""]
    lines += [*troubles(result.runs), *closing]
    if result.slowdowns:
        from zobench.display.slower import slower_lines

        lines += [*slower_lines(result.slowdowns), ""]
    return [*lines, *_verdict(result)]


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


def _groups(summary: pd.DataFrame) -> Iterator[str]:
    """One table per group, with one row per estimator: for suites of many problems."""
    groups: Any = summary.groupby(["group", "dimension"], sort=False, dropna=False)
    for (group, dimension), part in groups:
        count = part["problem"].nunique()
        yield (
            text.bold(f"{group} (d = {dimension:,.0f})") + f": {count} problem{'s' * (count != 1)}"
        )
        rows = []
        for estimator, rows_of_it in part.groupby("estimator", sort=False):
            runs = int(rows_of_it["runs"].sum())
            solved = int((rows_of_it["final_successes"] > 0).sum())
            rows.append([
                estimator,
                f"{solved}/{count}",
                f"{int(rows_of_it['final_successes'].sum())}/{runs}",
                text.seconds(rows_of_it["seconds_per_query"].median()),
            ])  # fmt: skip
        head = ["estimator", "problems solved", "runs that reach the target", "per query"]
        yield from text.table(head, rows)
        yield ""
    yield "(--all shows a table for every problem; summary.csv has them too)"


def _legend(summary: pd.DataFrame) -> Iterator[str]:
    lines = [
        "reached: runs that reach the target. queries, time: expected cost of reaching it, with "
        "restarts (the cost of all runs / successes), and 95 % interval; missed (over x): no run "
        "reached it, and it costs at least x (97.5 %); without an interval: fewer than 4 runs, or "
        "equal runs. score and the columns after it: median at the end. per query: time of one "
        "query, with the objective.",
    ]
    if summary["memory_ratio"].notna().to_numpy().any():
        lines.append("memory: peak above the memory of the process before the problem was built; "
                     "x eval: ratio to the peak of evaluation alone.")  # fmt: skip
    if summary["first_order"].to_numpy().any():
        names = ", ".join(dict.fromkeys(summary[summary["first_order"]]["estimator"]))
        lines.append(f"{names}: uses gradients, a first-order reference.")
    for line in lines:
        yield from (text.dim(part) for part in text.wrapped(line))


def _verdict(result: Comparison) -> Iterator[str]:
    from zobench.analysis.cautions import contradictions

    verdict = result.verdict.splitlines() if result.details else [_alone(result)]
    against = contradictions(result.summary, result.runs)
    yield text.bold("Verdict")
    for line in [basis(result.results), *verdict, *against, *notes(result.results)]:
        yield from text.wrapped(line, indent="  ")


def _alone(result: Comparison) -> str:
    from zobench.analysis.frames import SKIPPED
    from zobench.analysis.sentences import alone_sentence

    not_skipped = len(result.runs[result.runs["status"] != SKIPPED])
    return alone_sentence(result.results.names[0], result.summary, not_skipped, len(result.runs))


def _settings(results: Results) -> Iterator[str]:
    """The tuned settings, one line per estimator and group: the verdict depends on them."""
    tuned: dict[str, dict[str, str]] = {}
    for spec in results.specs:
        estimator = spec.estimator
        names = [k for k, origin in estimator.settings_from.items() if origin == "baseline"]
        if names:
            settings = ", ".join(f"{k}={estimator.settings[k]}" for k in names)
            tuned.setdefault(estimator.text, {})[spec.problem.group] = settings
    for name, groups in tuned.items():
        for group, settings in groups.items():
            yield from text.wrapped(f"{name} on {group}: tuned settings (baselines) {settings}")
    if tuned:
        yield ""
