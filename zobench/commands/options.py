"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Estimators = Annotated[
    list[str],
    typer.Argument(
        metavar="ESTIMATOR",
        help="mezo, mezo:lr=1e-3,n=4 or path/to/file.py:NAME.",
        show_default=False,
    ),
]
SuiteOption = Annotated[
    str,
    typer.Option("--suite", "-s", metavar="SUITE", help="The name of a suite, or a .toml file."),
]
StoredSuite = Annotated[
    str,
    typer.Option(
        "--suite",
        "-s",
        metavar="SUITE",
        help="The suite of the results.  [default: that of the folder; without a folder, look]",
    ),
]
Problems = Annotated[
    list[str] | None,
    typer.Option(
        "--problem", "-p", metavar="PATTERN", help="Only these problems, such as 'sphere*'."
    ),
]
Repetitions = Annotated[
    int | None,
    typer.Option("--repetitions", "-r", metavar="N", help="Runs per estimator and problem."),
]
Budget = Annotated[int | None, typer.Option("--budget", "-b", metavar="N", help="Queries per run.")]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        help="Runs at the same time; 0: one per core. A run has the threads that its suite sets "
        "(threads = N, else one), so --jobs does not change results.",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FOLDER", help="Results folder.  [default: results/SUITE]"),
]
TimeLimit = Annotated[
    float | None,
    typer.Option(
        "--time-limit",
        metavar="S",
        help="Seconds per run. Building the run has the same limit, and at least 120 seconds for "
        "registered elements.",
    ),
]
MemoryLimit = Annotated[
    float | None, typer.Option("--memory-limit", metavar="MIB", help="MiB per run.")
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Make all runs again; earlier results are set aside.")
]
Defaults = Annotated[bool, typer.Option("--defaults", help="Ignore tuned settings (baselines).")]
Baselines = Annotated[
    Path | None,
    typer.Option(
        "--baselines", metavar="FOLDER", help="Your own tuned settings (zobench tune --out)."
    ),
]
