"""`zobench tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zobench.commands.options import Budget, Estimators, Jobs, Problems, SuiteOption


def tune(
    estimators: Estimators,
    suite: SuiteOption = "quick",
    trials: Annotated[
        int,
        typer.Option(
            "--trials", "-n", metavar="N", help="Trials per estimator and group of problems."
        ),
    ] = 20,
    repetitions: Annotated[
        int,
        typer.Option("--repetitions", "-r", metavar="N", help="Runs per trial and problem."),
    ] = 3,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group", "-g", metavar="GROUP", help="Only this group of problems; repeatable."
        ),
    ] = None,
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
    """Search for better settings, with the same number of trials for every estimator.

    Each group of problems is tuned by itself, on repetitions from 1000 on, whose seeds and
    instances no comparison uses. Round 1 has half of the trials: the defaults, then settings spread
    over the whole space. Round 2 has the other half, around the best trial of round 1. Round 3 runs
    the best three trials on twice as many further repetitions, and the mean of all their runs
    decides, as the best of many trials may be so by chance.

    The best settings go to baselines/SUITE/ESTIMATOR.toml, with the record of every trial; compare
    and run use them. After Ctrl-C the same command continues. NAME:setting=value fixes that
    setting.

    \b
    zobench tune mezo mezo-bcd --suite quick
    zobench tune spsa:n=4 --suite bbob --group bbob-d10 --trials 50 --jobs 2
    zobench tune ./mine.py:Mine --suite quick --out my-baselines
    """
    from zobench.display.tuning import show_tuning

    show_tuning(
        estimators,
        suite,
        trials,
        repetitions,
        tuple(group or ()),
        tuple(problem or ()),
        budget,
        jobs,
        out,
        results,
        force,
    )
