"""`zobench tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zobench.commands.options import Budget, Estimators, Jobs, Problems, Suite


def tune(
    estimators: Estimators,
    suite: Suite = "quick",
    trials: Annotated[
        int,
        typer.Option(
            "--trials", "-n", metavar="N", help="Settings to try, of each estimator on each group."
        ),
    ] = 20,
    repetitions: Annotated[
        int,
        typer.Option(
            "--repetitions", "-r", metavar="N", help="Runs of each trial on each problem."
        ),
    ] = 3,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", "-g", metavar="GROUP", help="Only this group of problems."),
    ] = None,
    problem: Problems = None,
    budget: Budget = None,
    jobs: Jobs = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FOLDER", help="Where to write.  [default: zobench's baselines]"
        ),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            "--results", metavar="FOLDER", help="Results folder.  [default: results/tune-SUITE]"
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace settings that another search found.")
    ] = False,
) -> None:
    """Search better settings, with as many trials for every estimator.

    Every group of problems is tuned on its own, on repetitions from 1000 on, whose seeds and
    instances no comparison uses. Round 1 takes half of the trials: the defaults, then settings
    spread over the whole space. Round 2 takes the others, about the best of round 1. In round 3
    the best three are run on twice as many further repetitions, and the mean of all their runs
    decides: the best of many trials may only have been lucky.

    The settings that score best go to baselines/SUITE/ESTIMATOR.toml, from where compare and run
    take them, with the record of every trial. After Ctrl-C the same command goes on.
    NAME:setting=value keeps that setting fixed.

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
