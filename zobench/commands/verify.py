"""`zobench verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zobench.commands.options import Jobs

if TYPE_CHECKING:
    from zobench.leaderboard.verify.check import FileResult
    from zobench.leaderboard.verify.content import RowResult


def verify(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Leaderboards, as CSV files.", show_default=False),
    ],
    form_only: Annotated[
        bool, typer.Option("--form-only", help="Check form and hashes; make no run.")
    ] = False,
    sample: Annotated[
        int | None,
        typer.Option(
            "--sample", "-n", metavar="N", help="Number of rows to run again.  [default: 3]"
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            metavar="S",
            help="Choose the rows at random with this seed.  [default: the cheapest rows]",
        ),
    ] = None,
    rows: Annotated[
        str,
        typer.Option("--rows", metavar="ROWS", help="Run these rows again instead, such as 2,5-7."),
    ] = "",
    exact: Annotated[
        bool, typer.Option("--exact", help="Agreement within the noise does not suffice.")
    ] = False,
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance", metavar="T", help="Difference of scores that always counts as noise."
        ),
    ] = 0.02,
    suite: Annotated[
        str,
        typer.Option("--suite", "-s", metavar="FILE", help="The .toml file of your own suite."),
    ] = "",
    jobs: Jobs = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Store the runs here, to continue later."
        ),
    ] = None,
) -> None:
    """Check leaderboards: the form and hashes of every row; then run a sample of rows again.

    First every row is compared with the suite, the estimator, its baseline and its own other
    columns; this makes no run and opens no file that a row names. A row is refused with the column
    and the reason. A row of an earlier version, which cannot be compared with the present one, is
    listed as unchecked. An estimator without a row where others, or the frozen runs, have one is
    listed as missing. Only a new run can detect a changed us_per_query, peak_rss_mb, speed-up over
    several problems (or its interval), or a score that was changed together with its interval.

    Then all runs of some rows are made again, with the number of repetitions of the row: the rows
    of --rows, random rows with --seed, or the cheapest rows. A row reproduces exactly if all
    figures agree to the six digits of the file. Another processor or NumPy changes last digits, and
    some estimators amplify them: if the row names another one, it reproduces within the noise if
    log_area and aocc differ by at most the half-width of the 95 % interval of the new runs
    (--tolerance if that is more), and the success rate by at most 0.5 / sqrt(runs). In the
    environment of the row, runs repeat exactly, so every difference counts. Seconds and memory are
    never compared.

    Exit status: 0 if there are rows, no row is refused or missing, and the sample reproduces; 1
    otherwise; 2 if a file is not a leaderboard.

    \b
    zobench verify --form-only leaderboards/*.csv
    zobench verify leaderboards/quick.csv --sample 5 --seed 1
    zobench verify leaderboards/quick.csv --rows 4-6 --exact
    """
    from zobench.display.progress import progress_display
    from zobench.errors import BadInput
    from zobench.harness.environment import cores
    from zobench.harness.suite_file import load
    from zobench.leaderboard.verify import rerun
    from zobench.leaderboard.verify.check import check

    options = sum([form_only, bool(rows), sample is not None])
    if options > 1 or (seed is not None and (form_only or rows)):
        raise BadInput("give one of --form-only, --rows and --sample (with --seed)")
    rerun.check_tolerance(tolerance)
    count = rerun.SAMPLE if sample is None else sample
    rerun.check_count(count)
    row_numbers = rerun.parse_rows(rows) if rows else None
    if row_numbers and len(files) > 1:
        raise BadInput("--rows refers to one file; give one file")
    own_suite = load(suite) if suite else None
    results = [check(file, own_suite) for file in files]
    good = True
    for board in results:
        for line in _form(board):
            typer.echo(line)
        good = good and board.is_good
        if form_only or board.is_frozen:
            continue
        sampled, reason = rerun.choose(board.rows, count, seed, row_numbers)
        if not sampled:
            typer.echo("  no row can be run again")
            good = False
            continue
        numbers = ", ".join(str(row.number) for row in sampled)
        typer.echo(f"  Running again row{'s' * (len(sampled) > 1)} {numbers}: {reason}")
        statuses = []
        for judgement in rerun.again(
            board,
            sampled,
            tolerance=tolerance,
            jobs=jobs or cores(),
            out=out,
            show=progress_display,
        ):
            statuses.append(judgement.status)
            typer.echo(f"  {_row(judgement.row, judgement.status)}: {judgement.note}")
        parts = [f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses)]
        typer.echo(f"  Of {len(statuses)} run again: {', '.join(parts)}")
        good = good and set(statuses) <= ({rerun.EXACT} if exact else {rerun.EXACT, rerun.NOISE})
    if not good:
        raise typer.Exit(1)


def _form(board: FileResult) -> list[str]:
    """One line per row and a summary; of frozen runs, only rows with a fault have a line."""
    lines = [f"{board.file}: {len(board.rows)} rows" + " of frozen runs" * board.is_frozen]
    for row in board.rows:
        if board.is_frozen:
            lines += [f"  row {row.number:<4} {row.status:<10} {row.note}"] if row.note else []
        else:
            lines.append(f"  {_row(row, row.status)}" + (f": {row.note}" if row.note else ""))
    lines += [f"  missing    {text}" for text in board.missing]
    fits, unchecked, refused = (board.count(s) for s in ("fits", "unchecked", "refused"))
    lines.append(f"  Form: {fits} fit, {unchecked} unchecked, {refused} refused")
    if not board.rows:
        lines.append("  Refused: a leaderboard has rows")
    verified = [r for r in board.rows if r.cells.get("verified") in ("self", "rerun")]
    if verified:
        which = f"row{'s' * (len(verified) > 1)} {', '.join(str(r.number) for r in verified)}"
        lines.append(f"  Verified, says {which}: a maintainer says so, never the row's own author")
    return lines


def _row(row: RowResult, status: str) -> str:
    return f"row {row.number:<4} {status:<10} {row.name}"
