"""The form of a leaderboard: does every row fit the suite, the estimator, its hashes and itself?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from zobench.analysis.leaderboard import COLUMNS, LATER
from zobench.errors import BadInput, unknown
from zobench.harness.suite import ProblemSpec, Suite
from zobench.harness.suite_file import load, suite_files
from zobench.leaderboard.verify import expected
from zobench.leaderboard.verify.columns import cell_fault, sum_fault
from zobench.leaderboard.verify.content import baseline_fault, coverage_fault, estimator_fault
from zobench.leaderboard.verify.found import REFUSED, UNCHECKED, Found
from zobench.leaderboard.verify.table import Table, short
from zobench.results.frame import Frame


@dataclass
class Seen:
    """What rows above have said, with which a row has to agree."""

    rows: dict[tuple[str, ...], int] = field(default_factory=dict)  # what a row is about -> row
    runs: dict[str, int] = field(default_factory=dict)  # data_sha256 -> row
    hashes: dict[tuple[str, ...], tuple[str, int]] = field(default_factory=dict)
    homes: dict[tuple[str, ...], tuple[str, int]] = field(default_factory=dict)  # of problems
    problems: dict[tuple[str, str, int], dict[str, tuple[ProblemSpec, ...]]] = field(
        default_factory=dict
    )  # (suite, group, dimension) -> hash of targets -> problems


def check_head(table: Table) -> None:
    """Raises BadInput, one line, where the columns are not those of a leaderboard, in order."""
    for name in COLUMNS:
        if name not in (*table.columns, *LATER):
            raise BadInput(f"{table.file} row 1: the column {name!r} is missing")
    for name in table.columns:
        if name not in COLUMNS:
            raise BadInput(f"{table.file} row 1: {unknown('column', name, COLUMNS)}")
    order = [name for name in COLUMNS if name in table.columns]
    for name, there in zip(order, table.columns):
        if name != there:
            raise BadInput(f"{table.file} row 1: the column {there!r} where {name!r} belongs")


def check_rows(
    table: Table, suite: Suite | None, reference: str, frozen: Frame | None = None
) -> list[Found]:
    """What is known of each row of a leaderboard, in order; nothing is run.

    `suite`: the one its rows are of, for suites that do not ship with zobench. `reference`: the
    estimator of the `frozen` runs beside the file, "" where there are none.
    """
    seen, rows = Seen(), []
    for line in table.lines:
        found = Found(line.row, line.cells)
        fault = line.fault
        if not fault:
            fault = _faults(found, suite, reference, seen)
        if not fault and found.problems:
            fault = baseline_fault(found, frozen)
        if fault:
            found.status, found.said = REFUSED, fault
        rows.append(found)
    return rows


def lacking(rows: Sequence[Found], frozen: Frame | None) -> list[str]:
    """The rows that a leaderboard has to have and has not, a line a method.

    Where one method has a row, on a dimension and group of a suite's version, each has one; and
    that of the `frozen` runs, if it has any, wherever runs are frozen. A group that no method has,
    and a method that has no row at all, may never have been run, or its rows were withdrawn.
    """
    keys = ("suite", "suite_version", "method", "dimension", "group")
    there = {tuple(found.cells[key] for key in keys) for found in rows}
    wanted = {
        (*suite, method, *place)
        for suite in {row[:2] for row in there}
        for method in {row[2] for row in there if row[:2] == suite}
        for place in {row[3:] for row in there if row[:2] == suite}
    }
    if frozen is not None:
        suites = {(found.suite.name, found.suite.version) for found in rows if found.suite}
        names = frozen[["estimator", "dimension", "group"]].drop_duplicates().astype(str)
        methods = {row[:3] for row in there}
        wanted |= {
            (*suite, *name)
            for suite in suites
            for name in names.itertuples(index=False, name=None)
            if (*suite, name[0]) in methods
        }
    missing: dict[str, list[str]] = {}
    for _, _, method, dimension, group in sorted(wanted - there):
        missing.setdefault(method, []).append(f"{group or 'no group'} (d = {int(dimension):,})")
    return [f"{method} has no row for {', '.join(where)}" for method, where in missing.items()]


def suite_of(name: str, given: Suite | None) -> Suite:
    """The suite of a row. Raises BadInput where it is neither the given one nor ships."""
    if given is not None and given.name == name:
        return given
    if name not in suite_files():
        raise unknown("suite", name, [*suite_files(), *([given.name] if given else [])])
    return _shipped(name)


@cache
def _shipped(name: str) -> Suite:
    return load(name)


def _faults(found: Found, given: Suite | None, reference: str, seen: Seen) -> str:
    cells = found.cells
    for name, text in cells.items():
        if fault := cell_fault(name, text):
            return f"column {name}: {fault}"
    if fault := sum_fault(cells):
        return fault
    if cells["baseline"] and cells["baseline"] != reference:
        return f"column baseline: {short(cells['baseline'])}, but " + (
            f"the frozen runs are of {reference!r}" if reference else "no runs are frozen for it"
        )
    about = tuple(cells[k] for k in ("suite", "suite_version", "dimension", "group", "method"))
    if about in seen.rows:
        return f"column method: the same estimator, dimension and group as row {seen.rows[about]}"
    seen.rows[about] = found.row
    if (twin := seen.runs.setdefault(cells["data_sha256"], found.row)) != found.row:
        return f"column data_sha256: that of row {twin}; no two rows have the same runs"
    try:
        suite = suite_of(cells["suite"], given)
    except BadInput as error:
        return f"column suite: {error}; for a suite of your own: --suite FILE"
    if cells["suite_version"] != suite.version:
        return _version(found, suite)
    return _content(found, suite, seen)


def _version(found: Found, suite: Suite) -> str:
    """A row of an earlier version stays as it is; one of a version to come is a mistake."""
    theirs, now = found.cells["suite_version"], suite.version
    if theirs.isdigit() and now.isdigit() and int(theirs) < int(now):
        found.status = UNCHECKED
        found.said = f"of suite {suite.name} version {theirs}; here is version {now}"
        return ""
    return f"column suite_version: {short(theirs)}, but suite {suite.name!r} is at {now!r}"


def _content(found: Found, suite: Suite, seen: Seen) -> str:
    cells = found.cells
    groups = list(dict.fromkeys(p.group for p in suite.problems))
    if cells["group"] not in groups:
        return f"column group: {unknown('group', cells['group'], groups)}"
    digest, dimension = cells["targets_hash"], cells["dimension"]
    said = int(dimension) if int(dimension) in expected.dimensions(suite) else 0
    asked = (suite.name, cells["group"], said)
    if asked not in seen.problems:
        seen.problems[asked] = expected.problems_by_hash(suite, cells["group"], said)
    problems = seen.problems[asked].get(digest, ())
    if not problems:
        return (
            f"column targets_hash: {digest} fits no problems of group {cells['group']!r} in "
            f"dimension {dimension} of suite {suite.name} {suite.version} as it is now; "
            "were all of them run?"
        )
    key = (suite.name, cells["group"], dimension)
    hash_there, row = seen.hashes.setdefault(key, (digest, found.row))
    if hash_there != digest:
        return f"column targets_hash: not that of row {row}, on the same dimension and group"
    for problem in problems:
        there, row = seen.homes.setdefault((suite.name, problem.id), (dimension, found.row))
        if there != dimension:
            return f"column dimension: {problem.id} has dimension {there} in row {row}"
    found.problems, found.suite = problems, suite
    return coverage_fault(found) or estimator_fault(found, suite)


def reference_file(file: Path) -> Path:
    """Where the frozen runs lie that the speed-ups of a leaderboard refer to."""
    return file.with_name(f"{file.stem}-reference.csv")
