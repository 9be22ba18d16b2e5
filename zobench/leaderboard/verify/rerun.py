"""Run rows of a leaderboard again, and judge whether each reproduces.

Seconds and memory are never compared.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from zobench.analysis.leaderboard import leaderboard_rows
from zobench.analysis.runlengths import run_table
from zobench.errors import BadInput
from zobench.harness.plan import RunSpec, plan
from zobench.harness.stopping import Interrupted
from zobench.leaderboard.columns import UNKNOWN, Cells, agree, number, packages_of
from zobench.leaderboard.frozen import FrozenRuns
from zobench.leaderboard.hashes import data_hash, settings_hash
from zobench.leaderboard.verify.check import FileResult
from zobench.leaderboard.verify.content import FITS, RowResult
from zobench.leaderboard.verify.expected import repetitions
from zobench.results.results import Results, read
from zobench.results.versions import versions_of
from zobench.running.making import Show, check_jobs, make

EXACT, NOISE, DIFFERS, UNJUDGED = "exact", "noise", "differs", "unjudged"
COUNTED = ("n_problems", "n_runs", "n_failed", "success_rate", "coverage")
SCORED = ("log_area", "aocc")  # between 0 and 1
ENDS = ("log_area_low", "log_area_high", "aocc_low", "aocc_high")
SPEEDUPS = ("n_speedup", "speedup", "speedup_low", "speedup_high")
SAME = (
    "same environment, where runs repeat to the query, unless packages that a row does not name, "
    "such as torch, are of another version"
)
LIMITED = ("timeout", "oom")  # how runs end if the machine is too small, not if the row is wrong
TOLERANCE = 0.02  # of log_area and aocc, if that is more than the noise
SAMPLE = 3  # rows
EVALUATION = 1e-8  # seconds of the objective per query and dimension, roughly


@dataclass(frozen=True)
class Judgement:
    """The outcome of running a row again."""

    row: RowResult
    status: str
    note: str  # in words, with the figures


def parse_rows(text: str) -> list[int]:
    """Parse row numbers such as "2,5-7". Raises BadInput."""
    rows: list[int] = []
    for part in text.split(","):
        first, dash, last = (p.strip() for p in part.partition("-"))
        is_right = first.isdecimal() and (last.isdecimal() if dash else not last)
        if (
            not is_right
            or len(first + last) > 12
            or int(last or first) - int(first) not in range(10**6)
        ):
            raise BadInput(f"--rows takes row numbers such as 2,5-7, not {text!r}")
        rows += range(int(first), int(last or first) + 1)
    return list(dict.fromkeys(rows))


def check_count(count: int) -> None:
    """Raise BadInput for an impossible size of the sample."""
    if count < 1:
        raise BadInput(f"--sample takes a number of rows from 1, not {count}")


def check_tolerance(tolerance: float) -> None:
    """Raise BadInput for an impossible tolerance."""
    if not 0 <= tolerance <= 1:
        raise BadInput(f"--tolerance is a share from 0 to 1, not {tolerance}")


def cost(row: RowResult) -> float:
    """Estimate the seconds that the runs of a row take, roughly: rows are ordered by it.

    That is the row's own microseconds per query, and for the objective, whose time no row states,
    an amount that grows with the dimension.
    """
    cells = row.cells
    budgets = [p.budget for p in row.problems]
    queries = int(cells["n_runs"]) * sum(budgets) / len(budgets)
    own = number(cells, "us_per_query") * 1e-6 if cells["us_per_query"] else 1e-3
    return queries * (own + EVALUATION * int(cells["dimension"]))


def choose(
    rows: Sequence[RowResult], count: int, seed: int | None, row_numbers: Sequence[int] | None
) -> tuple[list[RowResult], str]:
    """Choose rows to run again, among those whose form fits and that have runs.

    Args:
        rows: all rows of a leaderboard.
        count: how many to choose.
        seed: of a choice at random; None: the cheapest.
        row_numbers: numbers of the rows to take instead.

    Returns:
        Return the rows in order, and a sentence that says which rows these are and why.

    Raises:
        BadInput: a row that is to be taken cannot be run.
    """
    check_count(count)
    able = [row for row in rows if row.status == FITS and int(row.cells["n_runs"])]
    if row_numbers is not None:
        by_number = {row.number: row for row in able}
        for number_wanted in row_numbers:
            if number_wanted not in by_number:
                raise BadInput(_why_not(number_wanted, rows))
        return [by_number[number_wanted] for number_wanted in row_numbers], "as asked"
    if len(able) <= count:
        return able, "all whose form fits and that have runs"
    if seed is not None:
        selection = random.Random(seed).sample(able, count)
        reason = f"{count} of {len(able)} at random, seed {seed}"
    else:
        selection = sorted(able, key=lambda row: (cost(row), row.number))[:count]
        reason = f"the {count} cheapest of {len(able)} by their recorded time and dimension"
    return sorted(selection, key=lambda row: row.number), reason


def again(
    result: FileResult,
    rows: Sequence[RowResult],
    *,
    tolerance: float = TOLERANCE,
    jobs: int = 1,
    out: Path | None = None,
    show: Show | None = None,
) -> Iterator[Judgement]:
    """Run rows of a leaderboard again, in order, and judge each: see `judge`.

    Args:
        result: the leaderboard.
        rows: those to run.
        tolerance: see `judge`.
        jobs: runs at the same time.
        out: a results folder to keep the runs in, and to take them from if it holds them. None:
            they are made anew and forgotten.
        show: see `running.making.make_runs`.

    Raises:
        BadInput: an argument is wrong.
        Interrupted: on Ctrl-C.
    """
    check_jobs(jobs)
    check_tolerance(tolerance)
    with TemporaryDirectory(prefix="zobench-verify-") as spare:
        try:
            yield from _again(rows, out or Path(spare), result.frozen, tolerance, jobs, show)
        except Interrupted as stopped:
            if out:
                raise
            text = "stopped: nothing is kept; --out FOLDER keeps the runs"
            raise Interrupted(text, stopped.by) from stopped


def specs_of(row: RowResult) -> list[RunSpec]:
    """Return the runs of a row: as many repetitions as it has, with the settings of its track."""
    suite, cells = row.suite, row.cells
    assert suite is not None
    suite = replace(suite, problems=row.problems)
    is_whole = int(cells["n_problems"]) == len(row.problems)
    count = repetitions(row.problems, int(cells["n_runs"])) if is_whole else None
    specs = plan(suite, [cells["method"]], baselines=cells["track"] == "tuned")
    return [spec for spec in specs if count is None or spec.repetition < count]


def judge(claimed: Cells, here: Mapping[str, Any], tolerance: float) -> tuple[str, str]:
    """Compare a row as `claimed` with the row as computed `here`: (status, figures in words).

    exact: all counts, scores, intervals and speed-ups agree to the six digits of the file.
    noise: the runs are as many, and log_area and aocc, with the ends of their intervals, differ by
    no more than the noise: the half-width of the 95 % interval of the runs made here, or
    `tolerance` if that is more; success rate and share of failed runs by no more than one standard
    error, 0.5 / sqrt(runs), or `tolerance`; a speed-up lies in the interval of the one here, and
    is of as many problems but one, or 0.5 sqrt(problems) if that is more.
    """
    names = [*COUNTED, *SCORED, *ENDS, *SPEEDUPS]
    off = [name for name in names if not _agree(number(claimed, name), float(here[name]))]
    if not off:
        return EXACT, f"all {len(names)} figures agree"
    bounds = _bounds(here, tolerance)
    wrong = [n for n in off if not bounds[n][0] <= number(claimed, n) <= bounds[n][1]]
    parts = [f"{n} {claimed[n] or 'empty'}, here {float(here[n]):.6g}" for n in off]
    if wrong:
        low, high = bounds[wrong[0]]
        parts.append(f"noise: {wrong[0]} {f'{low:.4g} to {high:.4g}' if low < high else 'as here'}")
    return (DIFFERS if wrong else NOISE), "; ".join(parts)


def elsewhere(claimed: Cells, here: Mapping[str, Any]) -> list[str]:
    """List what differs between the row's environment and `here` (of `harness.environment`).

    These may change the last digits, which some estimators amplify.
    """
    packages = versions_of(here)
    now = {key: str(here.get(key, "")) for key in ("cpu", "threads", "python")}
    now |= {"numpy": str(packages.get("numpy", "")), "version": str(here.get("zobench", ""))}
    names = {"version": "zobench"}
    differences = [names.get(key, key) for key, value in now.items() if claimed[key] != value]
    return differences + [
        f"{name} {packages.get(name, UNKNOWN)} for {version}"
        for name, version in packages_of(claimed.get("packages", UNKNOWN)).items()
        if packages.get(name, UNKNOWN) != version
    ]


def _again(
    rows: Sequence[RowResult],
    folder: Path,
    frozen: FrozenRuns | None,
    tolerance: float,
    jobs: int,
    show: Show | None,
) -> Iterator[Judgement]:
    planned: list[tuple[RowResult, list[RunSpec], Judgement | None]] = []
    for row in rows:
        specs, judgement = [], None
        try:
            specs = specs_of(row)
        except BadInput as error:
            judgement = Judgement(row, UNJUDGED, str(error))
        if specs and (digest := settings_hash(specs)) != row.cells["settings_hash"]:
            note = f"settings_hash is {row.cells['settings_hash']}, but {digest} here"
            judgement = Judgement(row, DIFFERS, note)
        planned.append((row, specs, judgement))
    to_make = [spec for _, specs, judgement in planned if judgement is None for spec in specs]
    if to_make:
        make(to_make, folder, jobs, show)
    for row, specs, judgement in planned:
        yield judgement or _judged(row, read(specs, folder, {}, []), frozen, tolerance)


def _judged(
    row: RowResult, results: Results, frozen: FrozenRuns | None, tolerance: float
) -> Judgement:
    statuses = list(results.runs["status"])
    if all(status == "skipped" for status in statuses):
        reason = results.runs["reason"].iloc[0]
        return Judgement(row, UNJUDGED, f"its runs are skipped here: {reason}")
    limited = sum(statuses.count(status) for status in LIMITED)
    if limited and limited != int(row.cells["n_failed"]):
        note = f"{limited} of {len(statuses)} runs exceed time or memory here"
        return Judgement(row, UNJUDGED, note)
    return _compared(row, results, frozen if row.cells["baseline"] else None, tolerance)


def _compared(
    row: RowResult, results: Results, frozen: FrozenRuns | None, tolerance: float
) -> Judgement:
    from zobench.harness.store import Store

    cells = row.cells
    rows = leaderboard_rows(
        results.runs,
        results.problems,
        run_table(results.runs, results.hits, results.problems),
        baseline=frozen.table if frozen else None,
        planned={problem.id: problem.repetitions for problem in row.problems},
    )
    if len(rows) != 1 or int(rows["dimension"].iloc[0]) != int(cells["dimension"]):
        dimensions = ", ".join(f"{d:g}" for d in rows["dimension"])
        note = f"dimension is {cells['dimension']}, here {dimensions}"
        return Judgement(row, DIFFERS, note)
    here = rows.iloc[0].to_dict()
    if cells["targets_hash"] != here["targets_hash"]:
        return Judgement(row, DIFFERS, f"targets_hash is {here['targets_hash']} here")
    status, note = judge(cells, here, tolerance)
    digest = data_hash(results.runs, results.hits)
    with Store.open(results.folder, write=False) as store:
        environments = list(store.environments().values())
    differences = elsewhere(cells, environments[-1])
    if digest == cells["data_sha256"]:  # the same runs: no noise, and one result
        if status == EXACT:
            note += ", and every run to the query"
        else:
            status, note = DIFFERS, f"{note}, of the same runs to the query"
    elif not differences:  # runs repeat there, so the row's runs were others, or there were none
        status, note = DIFFERS, f"{note}, but data_sha256 is {digest} here ({SAME})"
    else:
        if status == EXACT:
            note += f", of other runs: data_sha256 is {digest} here"
        note += f" ({', '.join(differences)} not as the row's)"
    return Judgement(row, status, f"{len(results.runs)} runs: {note}")


def _bounds(here: Mapping[str, Any], tolerance: float) -> dict[str, tuple[float, float]]:
    """Return what each figure may be if it differs by noise alone; NaN if it is unknown here."""
    runs = max(1.0, float(here["n_runs"]))
    widths: dict[str, float] = {"n_problems": 0.0, "n_runs": 0.0, "coverage": 0.0}
    widths["success_rate"] = max(tolerance, 0.5 / runs**0.5)
    widths["n_failed"] = runs * widths["success_rate"]
    for name in SCORED:
        half = (float(here[f"{name}_high"]) - float(here[f"{name}_low"])) / 2
        noise = tolerance if math.isnan(half) else max(tolerance, half)
        widths |= dict.fromkeys((name, f"{name}_low", f"{name}_high"), noise)
    bounds = {name: (float(here[name]) - w, float(here[name]) + w) for name, w in widths.items()}
    low, high = (float(here[name]) for name in SPEEDUPS[2:])
    bounds |= {"speedup": (low, high)} | dict.fromkeys(SPEEDUPS[2:], (0.0, math.inf))
    center, margin = float(here["n_speedup"]), max(1.0, 0.5 * float(here["n_problems"]) ** 0.5)
    return bounds | {"n_speedup": (center - margin, center + margin)}


def _agree(claimed: float, here: float) -> bool:
    return math.isnan(claimed) if math.isnan(here) else agree(claimed, here)


def _why_not(number_wanted: int, rows: Sequence[RowResult]) -> str:
    for row in rows:
        if row.number == number_wanted:
            return f"row {row.number} cannot be run again: {row.note or 'it has no runs'}"
    numbers = [row.number for row in rows]
    span = f"they go from {min(numbers)} to {max(numbers)}" if numbers else "there is none"
    return f"there is no row {number_wanted}; {span}"
