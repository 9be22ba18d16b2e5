"""`zobench verify`: a leaderboard file checked for form, and some of its rows run again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from zobench.errors import BadInput
from zobench.harness.stopping import Interrupted
from zobench.harness.suite import Suite
from zobench.leaderboard.verify import reference, rerun
from zobench.leaderboard.verify.form import check_head, check_rows, lacking, reference_file
from zobench.leaderboard.verify.found import REFUSED, Found
from zobench.leaderboard.verify.sample import choose
from zobench.leaderboard.verify.table import read_table
from zobench.results.frame import Frame
from zobench.running.making import Show, check_jobs

TOLERANCE = 0.02  # of log_area and aocc, where that is more than the noise
SAMPLE = 3  # rows


@dataclass
class Checked:
    """A file whose form was checked. `frozen`: it holds frozen runs, not rows of a leaderboard."""

    file: Path
    frozen: bool
    rows: list[Found] = field(default_factory=list)  # of a leaderboard, every row
    count: int = 0  # rows of the file
    faults: list[tuple[int, str]] = field(default_factory=list)  # (row, what) of frozen runs
    older: int = 0  # frozen runs of an earlier zobench, whose keys are unchecked
    lacks: list[str] = field(default_factory=list)  # rows that a leaderboard has to have, in words
    baseline: Frame | None = None  # the frozen runs beside a leaderboard, as a run table

    @property
    def refused(self) -> int:
        """How many rows are refused."""
        return len(self.faults) + sum(found.status == REFUSED for found in self.rows)

    @property
    def good(self) -> bool:
        """Are there rows, is none refused, and is none missing?"""
        return bool(self.count) and not self.refused and not self.lacks


def check(file: Path, suite: Suite | None = None) -> Checked:
    """The form of a leaderboard, or of frozen runs (<name>-reference.csv); nothing is run.

    `suite`: the one it is about, where that does not ship with zobench. Raises BadInput where the
    file is not such a table: it cannot be read, or columns are missing.
    """
    table = read_table(file)
    if file.stem.endswith(reference.ENDING):
        faults, older = reference.check_reference(table, suite) if table.lines else ([], 0)
        return Checked(file, True, count=len(table.lines), faults=faults, older=older)
    check_head(table)
    beside = reference_file(file)
    baseline, runs, earlier = "", None, False
    if beside.is_file():
        there = read_table(beside)
        baseline, runs = reference.estimator_of(there), reference.frame_of(beside)
        earlier = reference.earlier(there)
    rows = check_rows(table, suite, baseline, runs)
    checked = Checked(file, False, rows, len(rows), baseline=runs)
    if not checked.refused:  # else a row may be there, and not be readable as what it is
        checked.lacks = lacking(rows, runs, earlier)
    return checked


def check_tolerance(tolerance: float) -> None:
    """Raises BadInput for a tolerance that cannot be."""
    if not 0 <= tolerance <= 1:
        raise BadInput(f"--tolerance is a share from 0 to 1, not {tolerance}")


def again(
    checked: Checked,
    chosen: Sequence[Found],
    *,
    tolerance: float = TOLERANCE,
    jobs: int = 1,
    out: Path | None = None,
    show: Show | None = None,
) -> Iterator[rerun.Judged]:
    """Run rows of a leaderboard again, in order, and judge each: see `rerun.judge`.

    `out`: a results folder to keep the runs in (and to take them from, if it holds them); else
    they are made anew and forgotten. Raises BadInput, and Interrupted on Ctrl-C.
    """
    check_jobs(jobs)
    check_tolerance(tolerance)
    with TemporaryDirectory(prefix="zobench-verify-") as spare:
        try:
            folder = out or Path(spare)
            yield from rerun.rerun(chosen, folder, checked.baseline, tolerance, jobs, show)
        except Interrupted as stopped:
            if out:
                raise
            text = "stopped: nothing is kept; --out FOLDER keeps the runs"
            raise Interrupted(text, stopped.by) from stopped


def sample(
    checked: Checked,
    count: int = SAMPLE,
    seed: int | None = None,
    rows: Sequence[int] | None = None,
) -> tuple[list[Found], str]:
    """(rows to run again, why these): see `sample.choose`. Raises BadInput."""
    return choose(checked.rows, count, seed, rows)
