"""Output of `zobench tune`: the chosen settings and their gain over the defaults."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import typer

from zobench.display import text
from zobench.display.progress import progress_display
from zobench.harness.mending import mend
from zobench.harness.plan import RunSpec
from zobench.harness.suite_file import load
from zobench.running.building import check_problems
from zobench.running.making import check_jobs, make
from zobench.tune.search import AGAIN, FINALISTS, FIRST
from zobench.tune.tuning import searches, tune


def show_tuning(
    estimators: Sequence[str],
    suite_name: str,
    trials: int,
    repetitions: int,
    groups: Sequence[str],
    problems: Sequence[str],
    budget: int | None,
    jobs: int,
    out: Path | None,
    results: Path | None,
    force: bool,
) -> None:
    """Search, write the baseline files and print the chosen settings."""
    from zobench.harness.store import Store

    suite = load(suite_name)
    planned = searches(
        suite,
        estimators,
        count=trials,
        repetitions=repetitions,
        groups=groups,
        problems=problems,
        budget=budget,
        folder=out,
        force=force,
    )
    folder = results or Path("results") / f"tune-{suite.name}"
    per_trial = sum(len(search.runs) // len(search.settings) for search in planned)
    finalists = min(FINALISTS, trials) if trials > 1 else 0
    runs = per_trial * (trials + AGAIN * finalists)
    line = (
        f"{len(planned)} search{'es' * (len(planned) > 1)} of {trials} trials, {runs:,} runs in "
        "all, one group after the other: round 1 over the whole space, round 2 around the best "
        f"trial, round 3 the best {finalists} again; with repetitions from {FIRST} on, which no "
        "comparison uses"
    )
    typer.echo("\n".join(text.wrapped(line)))
    check_jobs(jobs)
    check_problems(suite, [spec for search in planned for spec in search.runs])
    for line in mend(folder):
        typer.echo("\n".join(text.wrapped(line)))

    def run(specs: list[RunSpec], title: str) -> None:
        make(specs, folder, jobs, partial(progress_display, title=title))

    outcomes = list(tune(planned, lambda: Store.open(folder, write=False), run))
    rows = [
        [
            tuned.search.estimator.text,
            tuned.search.group,
            "skipped" if tuned.skipped else f"{tuned.scores[0]:.3f}",
            "-" if tuned.skipped else f"{tuned.scores[tuned.best]:.3f}",
            ", ".join(f"{k}={v}" for k, v in tuned.settings.items()) or "-",
        ]
        for tuned in outcomes
    ]
    head = ["estimator", "group", "defaults", "tuned", "settings"]
    typer.echo("\n".join(["", *text.table(head, rows, left=2), ""]))
    typer.echo("score: 0 to 1, how early the targets are reached on a log axis of queries.")
    for tuned in outcomes:
        name, group = tuned.search.estimator.text, tuned.search.group
        if tuned.skipped:
            typer.echo(f"{name} on {group} was skipped: {tuned.skipped}")
        elif tuned.at_edge:
            edge = " and ".join(tuned.at_edge)
            typer.echo(f"{name} on {group}: {edge} lies at an end of the searched span")
        if tuned.failed:
            typer.echo(f"{name} on {group}: {tuned.failed} runs failed")
    for file in dict.fromkeys(t.search.file for t in outcomes if not t.skipped):
        typer.echo(f"wrote {file}")
