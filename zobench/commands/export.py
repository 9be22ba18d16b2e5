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
        typer.Argument(metavar="RESULTS", help="The results folder.  [default: results/SUITE]"),
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
            help="Freeze its runs, which speed-ups refer to; once per dimension and group.",
        ),
    ] = "",
    replace: Annotated[
        list[str] | None,
        typer.Option(
            "--replace",
            metavar="ESTIMATOR",
            help="Replace its rows in the leaderboard; repeatable.",
        ),
    ] = None,
    format: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="leaderboard, coco, ioh, parquet or csv; they are described above.",
        ),
    ] = "leaderboard",
) -> None:
    """Write results for others: as the leaderboard of a suite, or in the format of another tool.

    leaderboard: one row per estimator, dimension and group, as CSV. Rows that the file already has
    stay as they are, except those of estimators that --replace names. Speed-ups refer to frozen
    runs, which --freeze writes once, in a file beside the leaderboard.

    coco: folders for COCO's report (python -m cocopp). ioh: JSON and data for iohinspector and
    IOHanalyzer. Both contain the lowest score over queries of every run. COCO's functions keep
    their numbers; other functions get numbers from 201 on, or from 1 on if none is COCO's, and
    problems.txt lists them. Problems that COCO's report does not accept go to FOLDER-others, for
    cocopp.load. csv, parquet: the tables runs, hits, traces and problems as they are. `zobench
    import` reads coco and ioh.

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
        raise BadInput("--leaderboard sets suite and format: omit --suite and --format")
    suite = leaderboard or suite
    if format == "leaderboard":
        from zobench.leaderboard.export import export as write

        name = suite or (stored_specs(results)[0].suite if results else DEFAULT_SUITE)
        written = write(name, results, out, freeze, replace or ())
        typer.echo(
            f"wrote {written.file}: {written.n_rows} rows, {written.n_new} of them from these "
            "results"
        )
        if written.unchanged:
            options = " ".join(f"--replace {shlex.quote(name)}" for name in written.unchanged)
            typer.echo(
                f"  not replaced: the rows of {', '.join(written.unchanged)} that the file already "
                f"has; to replace them: {options}"
            )
        for line in written.differing:
            typer.echo(f"  {line}")
        if written.without_speedup:
            typer.echo(
                f"  {', '.join(written.without_speedup)}: rows do not refer to the frozen runs "
                "yet, which verify refuses; export their runs again"
            )
        for estimator, groups in written.missing.items():
            names = ", ".join(groups[:6]) + (", ..." if len(groups) > 6 else "")
            typer.echo(
                f"  {estimator} has no row yet for {len(groups)} of the suite's groups, which "
                f"count as not covered: {names}"
            )
        if written.departing:
            typer.echo(
                "  omitted, as settings, budget, targets or repetitions are not those of the "
                f"suite: runs of {', '.join(written.departing)}"
            )
        if written.unbuilt:
            typer.echo(
                "  omitted, as no run built its problem and recorded its dimension: "
                f"{', '.join(written.unbuilt)}"
            )
        return
    from zobench.results.exchange import export_as

    if freeze or replace:
        raise BadInput("--freeze and --replace are for leaderboards; omit them, or --format")
    files = export_as(format, suite, results, out)
    typer.echo(f"wrote {files.folder}/: {', '.join(files.names)} ({files.runs:,} runs)")
    for note in files.notes:
        typer.echo(f"  {note}")
