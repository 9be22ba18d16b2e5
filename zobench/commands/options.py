"""The arguments and options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Estimators = Annotated[
    list[str],
    typer.Argument(
        metavar="ESTIMATOR",
        help="NAME, NAME:setting=value,... or path/to/file.py:NAME.",
        show_default=False,
    ),
]
Suite = Annotated[
    str, typer.Option("--suite", "-s", metavar="SUITE", help="A suite's name, or a .toml file.")
]
StoredSuite = Annotated[
    str,
    typer.Option(
        "--suite", "-s", metavar="SUITE", help="Whose results.  [default: the folder's, quick]"
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
    typer.Option("--repetitions", "-r", metavar="N", help="Runs of an estimator on a problem."),
]
Budget = Annotated[int | None, typer.Option("--budget", "-b", metavar="N", help="Queries a run.")]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        help="Runs at the same time; 0: one per core. Each has one thread, or as many as its suite "
        "says (threads = N), so N changes no result.",
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
        help="Seconds a run may take. Building it may take as many before; what is registered, 120 "
        "if that is more.",
    ),
]
MemoryLimit = Annotated[
    float | None, typer.Option("--memory-limit", metavar="MIB", help="MiB a run may use.")
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Make all runs anew; earlier results are set aside.")
]
Defaults = Annotated[
    bool, typer.Option("--defaults", help="Leave tuned settings (baselines) aside.")
]
Baselines = Annotated[
    Path | None,
    typer.Option(
        "--baselines", metavar="FOLDER", help="Your own tuned settings (zobench tune --out)."
    ),
]
