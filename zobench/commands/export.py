"""`zobench export`."""

from __future__ import annotations

from pathlib import Path

import typer


def export(
    results: Path | None = typer.Argument(
        None, metavar="[RESULTS]", help="The results folder. [default: results/SUITE]"
    ),
    suite: str = typer.Option("quick", "--suite", "-s", help="A suite's name, or a .toml file."),
    out: Path | None = typer.Option(
        None, "--out", "-o", metavar="FILE", help="The CSV file. [default: leaderboards/SUITE.csv]"
    ),
) -> None:
    """Write the leaderboard of a suite as CSV: one row an estimator, dimension and group.

    \b
    zobench compare mezo spsa random-search --suite quick
    zobench export --suite quick
    """
    from zobench.export import export as write

    target, rows, estimators = write(suite, results, out)
    typer.echo(f"wrote {target}: {rows} rows, {estimators} estimators")
