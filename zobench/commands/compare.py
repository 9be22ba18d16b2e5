"""`zobench compare` and `zobench run`."""

from __future__ import annotations

from pathlib import Path

import typer

ESTIMATORS = typer.Argument(
    ..., metavar="ESTIMATOR...", help="name, name:setting=value,... or path/to/file.py:Name."
)
SUITE = typer.Option("quick", "--suite", "-s", help="A suite's name, or a path to a .toml file.")
PROBLEM = typer.Option(
    None, "--problem", "-p", metavar="PATTERN", help="Only these problems, such as 'sphere*'."
)
REPETITIONS = typer.Option(
    None, "--repetitions", "-r", metavar="N", help="Runs of an estimator on a problem."
)
BUDGET = typer.Option(None, "--budget", "-b", metavar="N", help="Queries a run.")
JOBS = typer.Option(1, "--jobs", "-j", metavar="N", help="Runs at the same time.")
OUT = typer.Option(
    None, "--out", "-o", metavar="FOLDER", help="Results folder. [default: results/SUITE]"
)
TIME = typer.Option(None, "--time-limit", metavar="S", help="Seconds a run may take.")
MEMORY = typer.Option(None, "--memory-limit", metavar="MIB", help="MiB a run may use.")
FRESH = typer.Option(False, "--fresh", help="Make all runs anew; earlier results are set aside.")
DEFAULTS = typer.Option(False, "--defaults", help="Do not use tuned settings (baselines).")
BASELINES = typer.Option(
    None, "--baselines", metavar="FOLDER", help="Tuned settings of your own (zobench tune --out)."
)


def compare(
    estimators: list[str] = ESTIMATORS,
    suite: str = SUITE,
    problem: list[str] | None = PROBLEM,
    repetitions: int | None = REPETITIONS,
    budget: int | None = BUDGET,
    jobs: int = JOBS,
    out: Path | None = OUT,
    time_limit: float | None = TIME,
    memory_limit: float | None = MEMORY,
    fresh: bool = FRESH,
    defaults: bool = DEFAULTS,
    baselines: Path | None = BASELINES,
    every: bool = typer.Option(False, "--all", help="A table for every problem, however many."),
) -> None:
    """Run estimators on a suite and say which reaches the targets sooner, and by how much.

    Runs that the results folder holds already are not run again: after Ctrl-C, a crash or a new
    estimator on the line, the same command makes only what is missing.

    \b
    zobench compare mezo spsa
    zobench compare mezo-bcd mezo --suite llm-tiny --jobs 2
    zobench compare zo-sgd:lr=1e-3,n=4 zo-sgd:lr=1e-2 --problem 'sphere*'
    zobench compare ./mine.py:Mine random-search --budget 500 --repetitions 3

    Exit status: 0; 1 if a run failed, timed out or ran out of memory; 2 for bad input; 130 after
    Ctrl-C.
    """
    from zobench.api.making import Request

    request = Request(
        tuple(estimators), suite, tuple(problem or ()), repetitions, budget, time_limit,
        memory_limit, jobs, out, fresh, not defaults, baselines,
    )  # fmt: skip
    from zobench.display.comparison import show_comparison

    raise typer.Exit(show_comparison(request, every))


def run(
    estimators: list[str] = ESTIMATORS,
    suite: str = SUITE,
    problem: list[str] | None = PROBLEM,
    repetitions: int | None = REPETITIONS,
    budget: int | None = BUDGET,
    jobs: int = JOBS,
    out: Path | None = OUT,
    time_limit: float | None = TIME,
    memory_limit: float | None = MEMORY,
    fresh: bool = FRESH,
    defaults: bool = DEFAULTS,
    baselines: Path | None = BASELINES,
) -> None:
    """Run estimators on a suite and list the runs: the same as compare, without the verdict.

    \b
    zobench run mezo --suite quick
    zobench run mezo --suite quick --problem 'sphere*' --repetitions 1
    """
    from zobench.api.making import Request

    request = Request(
        tuple(estimators), suite, tuple(problem or ()), repetitions, budget, time_limit,
        memory_limit, jobs, out, fresh, not defaults, baselines,
    )  # fmt: skip
    from zobench.display.runs import show_runs

    raise typer.Exit(show_runs(request))
