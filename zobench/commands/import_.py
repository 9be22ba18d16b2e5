"""`zobench import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER", help="Folders of COCO or IOHprofiler data.", show_default=False
        ),
    ],
    suite: Annotated[
        str,
        typer.Option(
            "--suite",
            "-s",
            metavar="SUITE",
            help="The suite with the problems, targets and budgets.  [default: the suite of the "
            "name in the data, else a suite made of the data]",
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Results folder.  [default: results/import-NAME]"
        ),
    ] = None,
) -> None:
    """Make results of published data, so that its algorithms can be compared with estimators.

    Reads the files of COCO's observer (.info, .dat) and of IOHprofiler's logger (JSON, .dat), at
    any depth of the folders. No algorithm is run and no code in the files is executed: each
    algorithm becomes an estimator of the results, under its name. Its runs count as if they had
    been stopped at the suite's budget and last target; seconds and memory are unknown. Runs that
    are incomplete, or whose files contradict each other, are omitted and listed. The format ioh
    does not distinguish BBOB and SBOX functions: --suite bbob does.

    \b
    zobench import exdata/CMA-ES exdata/BFGS --suite bbob --out results/published
    zobench compare mezo spsa --suite bbob --against results/published
    """
    from zobench.analysis.words import quantity
    from zobench.results.exchange import import_folders

    data = import_folders(folders, suite, out)
    names = ", ".join(data.estimators[:8]) + (", ..." if len(data.estimators) > 8 else "")
    typer.echo(
        f"read {quantity(data.runs, 'run')} of "
        f"{quantity(len(data.estimators), 'algorithm')} ({names}) on "
        f"{quantity(data.problems, 'problem')} of suite {data.suite} into {data.folder}"
    )
    for note in data.notes:
        typer.echo(f"  {note}")
    if data.is_runnable:
        command = f"compare ... --suite {suite or data.suite} --against {data.folder}"
    else:  # the problems of a suite that was made of the data cannot be run here
        command = f"report {data.folder}"
    typer.echo(f"Next: zobench {command}")
