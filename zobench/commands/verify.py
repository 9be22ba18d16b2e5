"""`zobench verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zobench.commands.options import Jobs

if TYPE_CHECKING:
    from zobench.leaderboard.verify.check import Checked
    from zobench.leaderboard.verify.found import Found


def verify(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Leaderboards, as CSV.", show_default=False),
    ],
    form_only: Annotated[
        bool, typer.Option("--form-only", help="Check form and hashes; run nothing.")
    ] = False,
    sample: Annotated[
        int | None,
        typer.Option("--sample", "-n", metavar="N", help="Rows to run again.  [default: 3]"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="S", help="Choose them at random.  [default: the cheapest]"),
    ] = None,
    rows: Annotated[
        str, typer.Option("--rows", metavar="ROWS", help="These rows instead, such as 2,5-7.")
    ] = "",
    exact: Annotated[
        bool, typer.Option("--exact", help="Rows that agree within the noise do not reproduce.")
    ] = False,
    tolerance: Annotated[
        float,
        typer.Option("--tolerance", metavar="T", help="Difference of scores that is always noise."),
    ] = 0.02,
    suite: Annotated[
        str,
        typer.Option(
            "--suite", "-s", metavar="FILE", help="The .toml file of a suite of your own."
        ),
    ] = "",
    jobs: Jobs = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="Keep the runs made, to go on from."),
    ] = None,
) -> None:
    """Check leaderboards: the form and hashes of every row; then run a sample of rows again.

    First every row is held against the suite, the estimator, its baseline and itself; that makes
    no run and opens no file that a row names. A row is refused with the column and the reason. One
    of an earlier version, which cannot be held against today's, is named as unchecked. A method
    without a row where others, or the frozen runs, have one is named as missing. Only a rerun can
    tell whether us_per_query, peak_rss_mb, a speed-up over several problems or its interval were
    changed, or a score together with its interval.

    Then some rows are run again, all of their runs, in their number of repetitions: as stated with
    --rows, at random with --seed, or the cheapest. A row reproduces exactly where all figures
    agree to the six digits of the file. Another processor or NumPy changes last digits, and some
    estimators amplify them: where the row names another one, it reproduces within the noise if
    log_area and aocc differ by at most the half-width of the 95 % interval of the runs made here
    (--tolerance if that is more), and the success rate by at most 0.5 / sqrt(runs). In the row's
    own environment runs repeat, and what does not agree differs. Seconds and memory are never
    compared.

    Exit status: 0 if there are rows, none is refused or missing, and all of the sample reproduce, 1
    otherwise, 2 where a file is not a leaderboard.

    \b
    zobench verify --form-only leaderboards/*.csv
    zobench verify leaderboards/quick.csv --sample 5 --seed 1
    zobench verify leaderboards/quick.csv --rows 4-6 --exact
    """
    from zobench.display.progress import shown
    from zobench.errors import BadInput
    from zobench.harness.environment import cores
    from zobench.harness.suite_file import load
    from zobench.leaderboard.verify import check as checking
    from zobench.leaderboard.verify.rerun import EXACT, NOISE
    from zobench.leaderboard.verify.sample import check_count, parse_rows

    chosen_ways = [name for name, given in (("--form-only", form_only), ("--rows", bool(rows)),
                                            ("--sample", sample is not None)) if given]  # fmt: skip
    if len(chosen_ways) > 1 or (seed is not None and (form_only or rows)):
        raise BadInput("give one of --form-only, --rows and --sample (with --seed)")
    checking.check_tolerance(tolerance)
    count = checking.SAMPLE if sample is None else sample
    check_count(count)
    wanted = parse_rows(rows) if rows else None
    if wanted and len(files) > 1:
        raise BadInput("--rows is about one file; give one")
    own = load(suite) if suite else None
    checked = [checking.check(file, own) for file in files]
    good = True
    for board in checked:
        for line in _form(board):
            typer.echo(line)
        good = good and board.good
        if form_only or board.frozen:
            continue
        picked, why = checking.sample(board, count, seed, wanted)
        if not picked:
            typer.echo("  no row can be run again")
            good = False
            continue
        numbers = ", ".join(str(found.row) for found in picked)
        typer.echo(f"  Running again row{'s' * (len(picked) > 1)} {numbers}: {why}")
        done = []
        for judged in checking.again(
            board, picked, tolerance=tolerance, jobs=jobs or cores(), out=out, show=shown
        ):
            done.append(judged.status)
            typer.echo(f"  {_row(judged.found, judged.status)}: {judged.said}")
        parts = [f"{done.count(status)} {status}" for status in dict.fromkeys(done)]
        typer.echo(f"  Of {len(done)} run again: {', '.join(parts)}")
        good = good and set(done) <= ({EXACT} if exact else {EXACT, NOISE})
    if not good:
        raise typer.Exit(1)


def _form(board: Checked) -> list[str]:
    """A line a row, and a summary; of frozen runs only rows with a fault have a line."""
    lines = [f"{board.file}: {board.count} rows" + " of frozen runs" * board.frozen]
    for found in board.rows:
        lines.append(f"  {_row(found, found.status)}" + (f": {found.said}" if found.said else ""))
    lines += [f"  row {row:<4} refused    {fault}" for row, fault in board.faults]
    lines += [f"  missing    {said}" for said in board.lacks]
    unchecked = board.older + sum(found.status == "unchecked" for found in board.rows)
    fits = board.count - board.refused - unchecked
    lines.append(f"  Form: {fits} fit, {unchecked} unchecked, {board.refused} refused")
    if not board.count:
        lines.append("  Refused: a leaderboard has rows")
    if rows := [str(f.row) for f in board.rows if f.cells.get("verified") in ("self", "rerun")]:
        which = f"row{'s' * (len(rows) > 1)} {', '.join(rows)}"
        lines.append(f"  Verified, says {which}: a maintainer says so, never the row's own author")
    return lines


def _row(found: Found, status: str) -> str:
    return f"row {found.row:<4} {status:<10} {found.name}"
