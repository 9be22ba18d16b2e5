"""`zobench tune`."""

from __future__ import annotations

from pathlib import Path

import typer


def tune(
    estimators: list[str] = typer.Argument(
        ..., metavar="ESTIMATOR...", help="name, or name:setting=value,... to keep those fixed."
    ),
    suite: str = typer.Option("quick", "--suite", "-s", help="A suite's name, or a .toml file."),
    trials: int = typer.Option(20, "--trials", "-n", metavar="N", help="Settings to try, each."),
    repetitions: int = typer.Option(
        3, "--repetitions", "-r", metavar="N", help="Runs of each trial on each problem."
    ),
    group: list[str] | None = typer.Option(
        None, "--group", "-g", metavar="GROUP", help="Only this group of problems."
    ),
    budget: int | None = typer.Option(None, "--budget", "-b", metavar="N", help="Queries a run."),
    jobs: int = typer.Option(1, "--jobs", "-j", metavar="N", help="Runs at the same time."),
    out: Path | None = typer.Option(
        None, "--out", metavar="FOLDER", help="Where to write. [default: zobench's baselines]"
    ),
    results: Path | None = typer.Option(
        None, "--results", metavar="FOLDER", help="Results folder. [default: results/tune-SUITE]"
    ),
    force: bool = typer.Option(False, "--force", help="Replace settings found another way."),
) -> None:
    """Search better settings: random search, as many trials for every estimator.

    Every group of problems is tuned on its own, on repetitions from 1000 on, whose seeds and
    instances no comparison uses. Trial 0 is the defaults. The file baselines/SUITE/ESTIMATOR.toml
    keeps the settings that compare and run take, and the record of every trial. After Ctrl-C the
    same command goes on.

    \b
    zobench tune mezo mezo-bcd --suite quick
    zobench tune spsa:n=4 --suite bbob --group bbob-d10 --trials 50 --jobs 2
    zobench tune ./mine.py:Mine --suite quick --out my-baselines
    """
    from zobench.display.tuning import show_tuning

    show_tuning(
        estimators, suite, trials, repetitions, tuple(group or ()), budget, jobs, out, results, force
    )
