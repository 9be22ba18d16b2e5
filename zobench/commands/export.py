"""`zobench export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zobench.commands.options import Suite


def export(
    results: Annotated[
        Path | None,
        typer.Argument(metavar="RESULTS", help="The results folder. [default: results/SUITE]"),
    ] = None,
    suite: Suite = "quick",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="The CSV file.  [default: leaderboards/SUITE.csv]"
        ),
    ] = None,
    freeze: Annotated[
        str,
        typer.Option(
            "--freeze", metavar="ESTIMATOR", help="Keep its runs as what speed-ups refer to."
        ),
    ] = "",
) -> None:
    """Write the leaderboard of a suite as CSV: one row an estimator, dimension and group.

    Rows of other estimators that the file holds stay as they are. Speed-ups refer to runs that
    were frozen once, with --freeze, in a file beside the leaderboard.

    \b
    zobench compare mezo spsa random-search --suite quick
    zobench export --suite quick --freeze random-search      the first time
    zobench export --suite quick                             later
    """
    from zobench.api.leaderboard import export as write

    target, rows, estimators = write(suite, results, out, freeze)
    typer.echo(f"wrote {target}: {rows} rows, {estimators} estimators from these results")
