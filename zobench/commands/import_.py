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
            help="Whose problems, targets and budgets count.  [default: the suite of the data's "
            "name, else one made of the data]",
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Results folder.  [default: results/import-NAME]"
        ),
    ] = None,
) -> None:
    """Make results of published data, so that its algorithms stand in comparisons here.

    Reads what COCO's observer (.info, .dat) and IOHprofiler's logger (JSON, .dat) write, at any
    depth of the folders. Nothing is run and nothing in the files is evaluated: an estimator of the
    results is an algorithm's name. Its runs count as if they had been stopped at the suite's budget
    and last target; seconds and memory are not known. Runs that did not finish, or whose files
    disagree, are left out and named. ioh does not say whether a function is of BBOB or of SBOX:
    --suite bbob says so.

    \b
    zobench import exdata/CMA-ES exdata/BFGS --suite bbob --out results/published
    zobench compare mezo spsa --suite bbob --against results/published
    """
    from zobench.analysis.words import some
    from zobench.results.exchange import import_folders

    found = import_folders(folders, suite, out)
    names = ", ".join(found.algorithms[:8]) + (", ..." if len(found.algorithms) > 8 else "")
    typer.echo(
        f"read {some(found.runs, 'run')} of {some(len(found.algorithms), 'algorithm')} ({names}) "
        f"on {some(found.problems, 'problem')} of suite {found.suite} into {found.folder}"
    )
    for note in found.notes:
        typer.echo(f"  {note}")
    if found.ours:
        said = f"compare ... --suite {suite or found.suite} --against {found.folder}"
    else:  # problems of a suite that was made of the data: none of them can be run here
        said = f"report {found.folder}"
    typer.echo(f"Next: zobench {said}")
