"""Output of `zobench run`: one row per run, the runs that failed, and the place of the data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from zobench.display import text
from zobench.display.progress import progress_display
from zobench.results.results import FAILED, LARGE, Results, hit_counts
from zobench.results.versions import differing
from zobench.running.making import Request, make_runs

if TYPE_CHECKING:
    import pandas as pd

MANY = 60  # rows of the table, at most
TROUBLES = 8  # reasons that are listed, at most


def show_runs(request: Request) -> int:
    """Make the runs, print them and return the exit status."""
    results = make_runs(request, progress_display, without=LARGE)
    from zobench.results.files import write_runs

    head = ["estimator", "problem", "run", "status", "queries", "time", "score"]
    reached = hit_counts(results, results.runs["run_key"].head(MANY).tolist())
    targets = results.problems.groupby("problem")["target_index"].nunique()
    rows = []
    first: Any = results.runs[:MANY].itertuples()
    for run in first:
        hit = reached.get((run.run_key, run.scored), 0)
        rows.append([
            run.estimator,
            run.problem,
            str(run.repetition + 1),
            run.status,
            f"{run.queries:,}",
            text.seconds(run.seconds),
            text.number(run.best_score if run.scored == "best" else run.final_score),
            f"{hit}/{targets.get(run.problem, 0)}",
        ])  # fmt: skip
    lines = text.table([*head, "targets"], rows, left=2)
    if (more := len(results.runs) - MANY) > 0:
        lines.append(f"  ... and {more} more, in runs.csv")
    lines += [*off_the_clock(results.runs), "", *troubles(results.runs)]
    files = write_runs(results)
    versions = [part for line in differing(results) for part in text.wrapped(line)]
    typer.echo("\n".join([*lines, *versions, *ending(results, files)]))
    return int(results.failed)


def off_the_clock(runs: pd.DataFrame) -> list[str]:
    """Return a line on the time of runs beside their steps; none if the runs do not have it."""
    medians: Any = runs[["build_seconds", "score_seconds"]].median()
    build, score = medians
    if math.isnan(build):
        return []
    sums: Any = runs[["seconds", "build_seconds", "score_seconds"]].sum()
    shares = [f"{part / sums.sum():.0%}" for part in sums.tolist()[1:]]
    line = (
        f"not in the time: {text.seconds(build)} to load and build, {text.seconds(score)} to "
        f"score, per run (medians); {shares[0]} and {shares[1]} of all seconds of the runs"
    )
    return text.wrapped(line, indent="  ")


def troubles(runs: pd.DataFrame) -> Iterator[str]:
    """Yield lines on runs that failed, diverged or were skipped: their number and the reasons."""
    from zobench.analysis.frames import merge_reasons

    for statuses, verb in (
        (FAILED, "failed"),
        (("diverged",), "diverged"),
        (("skipped",), "were skipped"),
    ):
        part = runs.loc[runs["status"].isin(statuses)]
        if part.empty:
            continue
        part = merge_reasons(part)
        yield text.bold(f"{len(part)} of {len(runs)} runs {verb}:")
        groups: Any = part.groupby(["estimator", "status", "reason"], sort=False)
        for index, (key, rows) in enumerate(groups):
            if index == TROUBLES:
                yield f"  ... and {groups.ngroups - TROUBLES} other reasons, in runs.csv"
                break
            estimator, status, reason = key
            problems = list(dict.fromkeys(rows["problem"]))
            scope = ", ".join(problems[:3]) + (", ..." if len(problems) > 3 else "")
            cause = reason if statuses != FAILED else f"{status}: {reason}"
            line = f"{len(rows)} x {estimator} on {scope}: {cause}"
            yield from text.wrapped(line, indent="  ")
        yield ""


def ending(results: Results, files: list[str]) -> list[str]:
    """Return the last lines of the output: resumed runs, and the place of the data."""
    resumed, total = results.counts.get("resumed", 0), sum(results.counts.values())
    lines = [*results.notes]
    if resumed:
        lines.append(
            f"{resumed} of {total} runs were already in {results.folder} and were not made again "
            "(--fresh makes all runs again)"
        )
    if results.failed:
        lines.append("The same command makes the failed runs again.")
    lines.append(f"Data: {results.folder}/ ({', '.join([*files, 'results.sqlite'])})")
    return [part for line in lines for part in text.wrapped(line)]
