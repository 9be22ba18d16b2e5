"""`zobench export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zobench.commands.options import StoredSuite


def export(
    results: Annotated[
        Path | None,
        typer.Argument(metavar="RESULTS", help="The results folder. [default: results/SUITE]"),
    ] = None,
    suite: StoredSuite = "",
    leaderboard: Annotated[
        str,
        typer.Option(
            "--leaderboard", metavar="SUITE", help="The same as --suite SUITE --format leaderboard."
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="PATH",
            help="The CSV file of the leaderboard, or the folder of another format.  "
            "[default: leaderboards/SUITE.csv, or RESULTS/export-FORMAT]",
        ),
    ] = None,
    freeze: Annotated[
        str,
        typer.Option(
            "--freeze",
            metavar="ESTIMATOR",
            help="Keep its runs as what speed-ups refer to, once for a dimension and group.",
        ),
    ] = "",
    format: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="leaderboard, coco, ioh, parquet or csv: see above.",
        ),
    ] = "leaderboard",
) -> None:
    """Write results for others: as a suite's leaderboard, or in the format of another tool.

    leaderboard: one row an estimator, dimension and group, as CSV. Rows of other estimators that
    the file holds stay as they are. Speed-ups refer to runs that were frozen once, with --freeze,
    in a file beside the leaderboard.

    coco: folders for COCO's report (python -m cocopp). ioh: JSON and data for iohinspector and
    IOHanalyzer. Both hold the lowest score over queries of every run; functions of no COCO suite
    get numbers, which problems.txt explains. csv, parquet: the tables runs, hits, traces and
    problems as they are. `zobench import` reads coco and ioh.

    \b
    zobench compare mezo spsa random-search --suite quick
    zobench export --suite quick --freeze random-search      the first time
    zobench export --leaderboard quick                       later
    zobench export results/bbob --suite bbob --format coco --out exdata
    python -m cocopp exdata/*                                (pip install cocopp)
    """
    from zobench.api.stored import DEFAULT_SUITE, stored_specs
    from zobench.errors import BadInput

    if leaderboard and (format != "leaderboard" or suite not in ("", leaderboard)):
        raise BadInput("--leaderboard names suite and format: leave --suite and --format out")
    suite = leaderboard or suite
    if format == "leaderboard":
        from zobench.api.leaderboard import export as write

        whose = suite or (stored_specs(results)[0].suite if results else DEFAULT_SUITE)
        target, rows, estimators, others = write(whose, results, out, freeze)
        typer.echo(f"wrote {target}: {rows} rows, {estimators} estimators from these results")
        if others:
            typer.echo(
                f"  left out, as settings, budget, targets or repetitions are not the suite's: "
                f"runs of {', '.join(others)}"
            )
        return
    from zobench.api.interchange import export_as

    if freeze:
        raise BadInput("--freeze is for leaderboards; leave it or --format out")
    written = export_as(format, suite, results, out)
    typer.echo(f"wrote {written.folder}/: {', '.join(written.made)} ({written.runs:,} runs)")
    for note in written.notes:
        typer.echo(f"  {note}")
