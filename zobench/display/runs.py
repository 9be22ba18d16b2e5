"""What `zobench run` shows: a row per run, the trouble there was, and where the data lie."""

from __future__ import annotations

import math
from collections.abc import Iterator

import typer

from zobench.display import text
from zobench.display.progress import shown
from zobench.results.frame import Frame
from zobench.results.results import FAILED, Results
from zobench.results.versions import differing
from zobench.running.making import Request, make_runs

MANY = 60  # runs in a table
TROUBLES = 8  # reasons that are listed


def show_runs(request: Request) -> int:
    """Make the runs, print them; the exit status."""
    results = make_runs(request, shown, traced=False)
    from zobench.results.files import write_runs

    head = ["estimator", "problem", "run", "status", "queries", "time", "score"]
    reached = results.hits.groupby(["run_key", "kind"]).size().to_dict()
    targets = results.problems.groupby("problem")["target_index"].nunique()
    rows = []
    for run in results.runs[:MANY].itertuples():
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
    lines += [*_off_the_clock(results.runs), "", *troubles(results.runs)]
    files = write_runs(results)
    told = [part for line in differing(results) for part in text.wrapped(line)]
    typer.echo("\n".join([*lines, *told, *ending(results, files)]))
    return int(results.failed)


def _off_the_clock(runs: Frame) -> list[str]:
    """What a run takes beside the time of its steps; nothing of runs that do not say."""
    build, score = runs["build_seconds"].median(), runs["score_seconds"].median()
    if math.isnan(build):
        return []
    return [
        f"  beside the time: {text.seconds(build)} to load and build, {text.seconds(score)} to "
        "score, per run (medians)"
    ]


def troubles(runs: Frame) -> Iterator[str]:
    """Runs that failed, diverged or were skipped: how many, and why."""
    from zobench.analysis.frames import alike

    for statuses, what in (
        (FAILED, "failed"),
        (("diverged",), "diverged"),
        (("skipped",), "were skipped"),
    ):
        part = runs[runs["status"].isin(statuses)]
        if part.empty:
            continue
        part: Frame = alike(part)
        yield text.bold(f"{len(part)} of {len(runs)} runs {what}:")
        groups = part.groupby(["estimator", "status", "reason"], sort=False)
        for index, (key, some) in enumerate(groups):
            if index == TROUBLES:
                yield f"  ... and {groups.ngroups - TROUBLES} other reasons, in runs.csv"
                break
            estimator, status, reason = key
            problems = list(dict.fromkeys(some["problem"]))
            where = ", ".join(problems[:3]) + (", ..." if len(problems) > 3 else "")
            said = reason if statuses != FAILED else f"{status}: {reason}"
            line = f"{len(some)} x {estimator} on {where}: {said}"
            yield from text.wrapped(line, indent="  ")
        yield ""


def ending(results: Results, files: list[str]) -> list[str]:
    """How the runs came about and where they are kept."""
    resumed, made = results.counts.get("resumed", 0), sum(results.counts.values())
    lines = [*results.notes]
    if resumed:
        lines.append(
            f"{resumed} of {made} runs were already in {results.folder} and were not run again "
            "(--fresh makes all anew)"
        )
    if results.failed:
        lines.append("Failed runs are made again by the same command.")
    lines.append(f"Data: {results.folder}/ ({', '.join([*files, 'results.sqlite'])})")
    return [part for line in lines for part in text.wrapped(line)]
