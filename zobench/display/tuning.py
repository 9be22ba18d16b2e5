"""Output of `zobench tune`: the chosen settings and their gain over the defaults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import typer

from zobench.display import text
from zobench.display.progress import progress_display
from zobench.harness.baseline import EVERY
from zobench.harness.mending import mend
from zobench.harness.plan import RunSpec
from zobench.harness.suite_file import load
from zobench.running.building import check_problems
from zobench.running.making import check_jobs, make
from zobench.tune.rounds import FIRST
from zobench.tune.score import shown
from zobench.tune.search import Search, Tuned
from zobench.tune.tuning import searches, tune

UNITS = {
    "final": "Defaults and tuned: expected queries to the final target, the geometric mean over "
    "problems; at least 10 times what a finalist may spend where none reaches it.",
    "area": "Defaults and tuned: log_area, 0 to 1, how early the targets are reached on a log axis "
    "of queries.",
}


def show_tuning(
    estimators: Sequence[str],
    suite_name: str,
    goal: str,
    trials: int,
    repetitions: int,
    groups: Sequence[str],
    problems: Sequence[str],
    budget: int | None,
    jobs: int,
    out: Path | None,
    results: Path | None,
    force: bool,
    together: bool,
) -> None:
    """Search, write the baseline files and print the chosen settings."""
    from zobench.harness.store import Store

    suite = load(suite_name)
    planned = searches(
        suite,
        estimators,
        count=trials,
        repetitions=repetitions,
        goal=goal,
        groups=groups,
        problems=problems,
        budget=budget,
        folder=out,
        force=force,
        together=together,
    )
    folder = results or Path("results") / f"tune-{suite.name}"
    typer.echo("\n".join(text.wrapped(_plan(planned))))
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
            _group(tuned),
            *(["skipped", "-"] if tuned.skipped else map(_shown(tuned), (0, tuned.best))),
            ", ".join(f"{k}={v}" for k, v in tuned.settings.items()) or "-",
        ]
        for tuned in outcomes
    ]
    head = ["estimator", "group", "defaults", "tuned", "settings"]
    typer.echo("\n".join(["", *text.table(head, rows, left=2), ""]))
    typer.echo("\n".join(text.wrapped(UNITS[goal])))
    for tuned in outcomes:
        name, group = tuned.search.estimator.text, _group(tuned)
        if tuned.skipped:
            typer.echo(f"{name} on {group} was skipped: {tuned.skipped}")
        elif tuned.at_edge:
            edge = " and ".join(tuned.at_edge)
            typer.echo(f"{name} on {group}: {edge} lies at an end of the searched span")
        if tuned.failed:
            typer.echo(f"{name} on {group}: {tuned.failed} runs failed")
    for file in dict.fromkeys(t.search.file for t in outcomes if not t.skipped):
        typer.echo(f"wrote {file}")


def _plan(planned: Sequence[Search]) -> str:
    """Return what the searches will do, in a sentence."""
    search = planned[0]
    queries = sum(_queries(search) for search in planned)
    kept = ", then ".join(f"{made.trials}" for made in search.rounds)
    return (
        f"{len(planned)} search{'es' * (len(planned) > 1)} of {search.trials} trials, at most "
        f"{queries:,} queries in all, one group after the other: rounds of {kept} trials; the "
        f"last one with the defaults, at the full budget; with repetitions from {FIRST} on, which "
        "no comparison uses"
    )


def _group(tuned: Tuned) -> str:
    return "all problems" if tuned.search.group == EVERY else tuned.search.group


def _queries(search: Search) -> int:
    """Return the queries that a search may make; the defaults are in the last round alone."""
    return sum(made.trials * made.queries for made in search.rounds) + search.rounds[-1].queries


def _shown(tuned: Tuned) -> Callable[[int], str]:
    """Return a function from a trial of the last round to its cost as text."""
    return lambda trial: shown(tuned.costs[-1][trial], tuned.search.goal)
