"""`zobench report`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from zobench.commands.options import StoredSuite


class Form(StrEnum):
    """The formats of a report."""

    html = "html"
    md = "md"
    text = "text"


def report(
    results: Annotated[
        Path | None,
        typer.Argument(metavar="RESULTS", help="The results folder.  [default: results/SUITE]"),
    ] = None,
    suite: StoredSuite = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="The file to write.  [default: RESULTS/report.html, or .md]",
        ),
    ] = None,
    form: Annotated[
        Form, typer.Option("--format", "-f", help="HTML page, Markdown, or text on the terminal.")
    ] = Form.html,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FOLDER", help="Also write the numbers of every figure."),
    ] = None,
    leaderboards: Annotated[
        Path | None,
        typer.Option(
            "--leaderboards", metavar="FOLDER", help="Make a page of all leaderboards in a folder."
        ),
    ] = None,
) -> None:
    """Write one self-contained HTML page of stored results: verdict, figures, tables, settings.

    The page needs no network and no server, so it can be mailed, archived or published beside a
    paper. No run is made. `zobench compare` writes the same page at its end.

    \b
    zobench report                                    of results/look
    zobench report results/bbob --out bbob.html --csv bbob-csv
    zobench report results/quick --format md --out verdict.md
    zobench report --leaderboards leaderboards --out index.html
    """
    from zobench.errors import BadInput
    from zobench.report import write as make
    from zobench.results.results import LARGE
    from zobench.results.stored import stored

    if leaderboards is not None:
        if results is not None or csv is not None or form is not Form.html:
            raise BadInput("--leaderboards makes its own page: combine it only with --out")
        page, rows = make.leaderboards(leaderboards, out or leaderboards / "index.html")
        typer.echo(f"wrote {page}: {rows} rows")
        return
    runs = stored(results, suite, without=LARGE)
    if form is Form.text:
        from zobench.display.comparison import stored_lines

        if out is not None:
            make.save(out, "\n".join(stored_lines(runs)) + "\n")
            typer.echo(f"wrote {out}")
        else:
            typer.echo("\n".join(stored_lines(runs)))
        if csv is None:
            return
    source = make.source(runs, suite)
    if form is not Form.text:
        path = out or runs.folder / f"report{make.ENDINGS[form]}"
        typer.echo(f"wrote {make.write(source, path, form)}")
    if csv is not None:
        files = make.write_csv(source, csv)
        typer.echo(f"wrote {csv}: {', '.join(file.name for file in files)}")
