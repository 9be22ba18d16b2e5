"""`zobench export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zobench.commands.options import Suite


def export(
    results: Annotated[
        Path | None,
        typer.Argument(metavar="[RESULTS]", help="The results folder. [default: results/SUITE]"),
    ] = None,
    suite: Suite = "quick",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="The CSV file.  [default: leaderboards/SUITE.csv]"
        ),
    ] = None,
) -> None:
    """Write the leaderboard of a suite as CSV: one row an estimator, dimension and group.

    \b
    zobench compare mezo spsa random-search --suite quick
    zobench export --suite quick
    """
    from zobench.export import export as write

    target, rows, estimators = write(suite, results, out)
    typer.echo(f"wrote {target}: {rows} rows, {estimators} estimators")
