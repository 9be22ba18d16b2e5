"""`zobench compare` and `zobench run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zobench.commands.options import (
    Baselines,
    Budget,
    Defaults,
    Estimators,
    Folder,
    Fresh,
    Jobs,
    MemoryLimit,
    Problems,
    Repetitions,
    SuiteOption,
    TimeLimit,
)
from zobench.harness.suite import DEFAULT_SUITE


def compare(
    estimators: Estimators,
    suite: SuiteOption = DEFAULT_SUITE,
    problem: Problems = None,
    repetitions: Repetitions = None,
    budget: Budget = None,
    jobs: Jobs = 0,
    out: Folder = None,
    time_limit: TimeLimit = None,
    memory_limit: MemoryLimit = None,
    fresh: Fresh = False,
    defaults: Defaults = False,
    baselines: Baselines = None,
    every: Annotated[
        bool, typer.Option("--all", help="Show a table for every problem, also of large suites.")
    ] = False,
    details: Annotated[
        bool,
        typer.Option("--details", help="Show all columns, what they mean, and the settings."),
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option("--picture", metavar="FILE", help="Also write the output as an SVG file."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="FILE", help="The HTML page.  [default: RESULTS/report.html]"
        ),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            "--against",
            metavar="RESULTS",
            help="Compare with the runs in this results folder, also of another computer or from "
            "zobench import; repeatable.",
        ),
    ] = None,
    fail_if_slower: Annotated[
        float | None,
        typer.Option(
            "--fail-if-slower",
            metavar="FACTOR",
            help="Exit with 1 if slower than the stored runs by more than FACTOR, with p < 0.001.",
        ),
    ] = None,
    queries_only: Annotated[
        bool, typer.Option("--queries-only", help="--fail-if-slower compares queries alone.")
    ] = False,
) -> None:
    """Run estimators on a suite and show which reaches the targets sooner, and by which factor.

    Runs that are already in the results folder are not made again: after Ctrl-C, a crash or a new
    estimator in the command, the same command makes only the missing runs.

    \b
    zobench compare mezo spsa
    zobench compare mezo-bcd mezo --suite llm-tiny --jobs 2
    zobench compare zo-sgd:lr=1e-3,n=4 zo-sgd:lr=1e-2 --problem 'sphere*'
    zobench compare ./mine.py:Mine random-search --budget 500 --repetitions 3
    zobench compare mezo --out results/today --against results/quick --fail-if-slower 1.2

    --fail-if-slower is a check for CI. Each estimator is compared with the stored estimator of its
    name (or the only stored one) in queries and in seconds, both to the hardest target that half of
    the stored runs reach, and in time per query; on all problems together (p < 0.001), and on each
    problem by itself (p < 0.001 / problems, which takes about ten runs per side). A large factor
    that may be chance does not fail, and a certain but small factor does not fail. Too few runs to
    tell fail. Runs that take less than 10 ms, stored and new, are judged in queries alone: give
    them larger budgets. Compare seconds only on one computer under one load: other work there
    slows all runs of a session, which p does not exclude. On shared machines use --queries-only.

    Exit status: 0; 1 if a run failed, timed out or ran out of memory, or if --fail-if-slower fails;
    2 for bad input; 130 after Ctrl-C.
    """
    from zobench.running.making import Request

    request = Request(
        estimators=tuple(estimators), suite=suite, problems=tuple(problem or ()),
        repetitions=repetitions, budget=budget, time_limit=time_limit, memory_limit=memory_limit,
        jobs=jobs, out=out, fresh=fresh, tuned=not defaults, baselines=baselines,
        against=tuple(against or ()), fail_if_slower=fail_if_slower, queries_only=queries_only,
    )  # fmt: skip
    from zobench.display.comparison import show_comparison

    raise typer.Exit(show_comparison(request, every, picture, report, details))


def run(
    estimators: Estimators,
    suite: SuiteOption = DEFAULT_SUITE,
    problem: Problems = None,
    repetitions: Repetitions = None,
    budget: Budget = None,
    jobs: Jobs = 0,
    out: Folder = None,
    time_limit: TimeLimit = None,
    memory_limit: MemoryLimit = None,
    fresh: Fresh = False,
    defaults: Defaults = False,
    baselines: Baselines = None,
) -> None:
    """Run estimators on a suite and list the runs: as compare does, without a verdict.

    \b
    zobench run mezo --suite quick
    zobench run mezo --suite quick --problem 'sphere*' --repetitions 1

    Exit status: 0; 1 if a run failed, timed out or ran out of memory; 2 for bad input. Runs that
    diverge or are skipped are listed; the command does not fail.
    """
    from zobench.running.making import Request

    request = Request(
        estimators=tuple(estimators), suite=suite, problems=tuple(problem or ()),
        repetitions=repetitions, budget=budget, time_limit=time_limit, memory_limit=memory_limit,
        jobs=jobs, out=out, fresh=fresh, tuned=not defaults, baselines=baselines,
    )  # fmt: skip
    from zobench.display.runs import show_runs

    raise typer.Exit(show_runs(request))
