"""`zobench tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zobench.commands.options import Budget, Estimators, Jobs, Problems, SuiteOption


def tune(
    estimators: Estimators,
    suite: SuiteOption = "quick",
    goal: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="GOAL",
            help="What settings are chosen for: final (expected queries to the final target) or "
            "area (log_area).",
        ),
    ] = "final",
    trials: Annotated[
        int,
        typer.Option(
            "--trials",
            "-n",
            metavar="N",
            help="Trials per estimator and group of problems, beside the defaults.",
        ),
    ] = 20,
    repetitions: Annotated[
        int,
        typer.Option("--repetitions", "-r", metavar="N", help="Runs of each finalist per problem."),
    ] = 3,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group", "-g", metavar="GROUP", help="Only this group of problems; repeatable."
        ),
    ] = None,
    together: Annotated[
        bool,
        typer.Option("--together", help="One choice of settings for all problems of the suite."),
    ] = False,
    problem: Problems = None,
    budget: Budget = None,
    jobs: Jobs = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FOLDER", help="Folder to write to.  [default: zobench's baselines]"
        ),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            "--results", metavar="FOLDER", help="Results folder.  [default: results/tune-SUITE]"
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the settings of another search.")
    ] = False,
) -> None:
    """Search for better settings, with the same trials and queries for every estimator.

    Each group of problems is tuned by itself, on repetitions from 1000 on, whose seeds and
    instances no comparison uses. Trials are spread over the whole space, with constant and with
    decaying learning rates. Round 1 has all of them at a small part of the budget; each later
    round keeps an eighth and spends as many queries on these. The last round runs the best four and
    the defaults at the full budget, on repetitions of its own, and decides alone.

    --for final ranks trials by expected queries to the final target, as verdicts and leaderboards
    do: the queries of all runs per run that reaches it. --for area ranks by log_area.

    The best settings go to baselines/SUITE/ESTIMATOR.toml, with the record of every trial; compare
    and run use them. After Ctrl-C the same command continues. NAME:setting=value fixes that
    setting.

    \b
    zobench tune mezo mezo-bcd --suite quick
    zobench tune spsa:n=4 --suite bbob --group bbob-d10 --trials 50 --jobs 2
    zobench tune ./mine.py:Mine --suite quick --out my-baselines
    zobench tune mezo spsa --suite quick --together --out one-setting
    """
    from zobench.display.tuning import show_tuning

    show_tuning(
        estimators,
        suite,
        goal,
        trials,
        repetitions,
        tuple(group or ()),
        tuple(problem or ()),
        budget,
        jobs,
        out,
        results,
        force,
        together,
    )
