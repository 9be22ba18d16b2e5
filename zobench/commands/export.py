"""`zobench export`."""

from __future__ import annotations

import shlex
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
    replace: Annotated[
        list[str] | None,
        typer.Option(
            "--replace",
            metavar="ESTIMATOR",
            help="Write its rows anew where the leaderboard holds them already; repeatable.",
        ),
    ] = None,
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

    leaderboard: one row an estimator, dimension and group, as CSV. Rows that the file holds already
    stay as they are; --replace names estimators whose rows are written anew. Speed-ups refer to
    runs that were frozen once, with --freeze, in a file beside the leaderboard.

    coco: folders for COCO's report (python -m cocopp). ioh: JSON and data for iohinspector and
    IOHanalyzer. Both hold the lowest score over queries of every run. COCO's functions keep their
    numbers; others are numbered from 201, or from 1 where none is COCO's, which problems.txt
    explains. What COCO's report does not know is put beside it, in FOLDER-others, for cocopp.load.
    csv, parquet: the tables runs, hits, traces and problems as they are. `zobench import` reads
    coco and ioh.

    \b
    zobench compare mezo spsa random-search --suite quick
    zobench export --suite quick --freeze random-search      the first time
    zobench export --leaderboard quick                       later
    zobench export results/bbob --suite bbob --format coco --out exdata
    python -m cocopp exdata/*                                (pip install cocopp)
    """
    from zobench.errors import BadInput
    from zobench.results.stored import DEFAULT_SUITE, stored_specs

    if leaderboard and (format != "leaderboard" or suite not in ("", leaderboard)):
        raise BadInput("--leaderboard names suite and format: leave --suite and --format out")
    suite = leaderboard or suite
    if format == "leaderboard":
        from zobench.leaderboard.export import export as write

        whose = suite or (stored_specs(results)[0].suite if results else DEFAULT_SUITE)
        made = write(whose, results, out, freeze, replace or ())
        typer.echo(
            f"wrote {made.file}: {made.n_rows} rows, {made.n_new} of them from these results"
        )
        if made.unchanged:
            again = " ".join(f"--replace {shlex.quote(name)}" for name in made.unchanged)
            typer.echo(
                "  left as they were, as the file holds rows of "
                f"{', '.join(made.unchanged)} already: to write these anew, {again}"
            )
        for line in made.differing:
            typer.echo(f"  {line}")
        if made.without_speedup:
            typer.echo(
                f"  {', '.join(made.without_speedup)}: rows do not refer to the frozen runs yet, "
                "which verify refuses; export their runs again"
            )
        for method, groups in made.missing.items():
            named = ", ".join(groups[:6]) + (", ..." if len(groups) > 6 else "")
            typer.echo(
                f"  {method} has no row yet for {len(groups)} of the suite's groups, which count "
                f"as not covered: {named}"
            )
        if made.departing:
            typer.echo(
                f"  left out, as settings, budget, targets or repetitions are not the suite's: "
                f"runs of {', '.join(made.departing)}"
            )
        if made.unbuilt:
            typer.echo(
                f"  left out, as no run built its problem and so told its dimension: "
                f"{', '.join(made.unbuilt)}"
            )
        return
    from zobench.results.exchange import export_as

    if freeze or replace:
        raise BadInput("--freeze and --replace are for leaderboards; leave them or --format out")
    written = export_as(format, suite, results, out)
    typer.echo(f"wrote {written.folder}/: {', '.join(written.made)} ({written.runs:,} runs)")
    for note in written.notes:
        typer.echo(f"  {note}")
