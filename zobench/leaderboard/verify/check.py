"""Check the form of a file: every row against its suite, its estimator and the rows above it.

Nothing is run, and no file that a row names is executed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zobench.errors import BadInput, unknown
from zobench.harness.suite import Suite
from zobench.leaderboard.board_file import BoardRow, read_table
from zobench.leaderboard.columns import cell_fault, quoted, sum_fault
from zobench.leaderboard.frozen import ENDING, FrozenRuns, frozen_file, read_frozen
from zobench.leaderboard.hashes import row_hash_fault
from zobench.leaderboard.releases import version_fault
from zobench.leaderboard.verify.content import (
    REFUSED,
    UNCHECKED,
    RowResult,
    coverage_fault,
    estimator_fault,
    scores_fault,
    speedup_fault,
)
from zobench.leaderboard.verify.expected import SuiteFacts, suite_facts
from zobench.leaderboard.verify.reference import check_frozen


@dataclass(kw_only=True)
class FileResult:
    """A leaderboard, or a file of frozen runs, after its check."""

    file: Path
    is_frozen: bool  # True for frozen runs
    rows: list[RowResult]
    missing: list[str]  # rows that the file has to have and has not, in words
    frozen: FrozenRuns | None = None  # those beside a leaderboard

    def count(self, status: str) -> int:
        """Return how many rows have a status."""
        return sum(row.status == status for row in self.rows)

    @property
    def is_good(self) -> bool:
        """True if there are rows, none is refused, and none is missing."""
        return bool(self.rows) and not self.count(REFUSED) and not self.missing


def check(file: Path, suite: Suite | None = None) -> FileResult:
    """Check the form of a leaderboard, or of frozen runs (NAME-reference.csv).

    Args:
        file: the CSV file.
        suite: the one it is about, if that does not ship with zobench.

    Raises:
        BadInput: the file is not such a table: it cannot be read, or columns are missing.
    """
    table = read_table(file)
    own = SuiteFacts(suite) if suite else None
    if file.stem.endswith(ENDING):
        rows, missing = check_frozen(table, own)
        return FileResult(file=file, is_frozen=True, rows=rows, missing=missing)
    table.check_board_columns()
    beside = frozen_file(file)
    frozen = read_frozen(beside) if beside.is_file() else None
    checker = BoardChecker(own, frozen)
    rows = [checker.check(row) for row in table.rows]
    result = FileResult(file=file, is_frozen=False, rows=rows, missing=[], frozen=frozen)
    if not result.count(REFUSED):  # else a row may be there, and not be readable as what it is
        result.missing = missing_rows(result.rows, frozen)
    return result


class BoardChecker:
    """Checks the rows of one leaderboard in order: a row also has to agree with those above it."""

    def __init__(self, own: SuiteFacts | None, frozen: FrozenRuns | None) -> None:
        """`own`: a suite that does not ship; `frozen`: the runs that speed-ups refer to."""
        self.own, self.frozen = own, frozen
        self._row_of: dict[tuple[str, ...], int] = {}  # what a row is about -> its number
        self._row_of_runs: dict[str, int] = {}  # data_sha256 -> number of the row
        self._targets: dict[tuple[str, ...], tuple[str, int]] = {}  # group -> targets_hash, row
        self._dimensions: dict[tuple[str, ...], tuple[str, int]] = {}  # problem -> dimension, row

    def check(self, row: BoardRow) -> RowResult:
        """Check one row."""
        result = RowResult(row.number, row.cells)
        fault = row.fault or self._fault(result) or row_hash_fault(row.cells)
        if fault:
            result.status, result.note = REFUSED, fault
        return result

    def _fault(self, row: RowResult) -> str:
        cells = row.cells
        for name, text in cells.items():
            if fault := cell_fault(name, text):
                return f"column {name}: {fault}"
        if fault := version_fault(cells["version"]):
            return f"column version: {fault}"
        if fault := sum_fault(cells) or self._baseline_fault(row) or self._double_fault(row):
            return fault
        try:
            facts = suite_facts(cells["suite"], self.own)
        except BadInput as error:
            return f"column suite: {error}; for a suite of your own: --suite FILE"
        if cells["suite_version"] != facts.suite.version:
            return _version_fault(row, facts.suite)
        return (
            self._problems_fault(row, facts)
            or coverage_fault(row)
            or scores_fault(row)
            or estimator_fault(row, facts)
            or speedup_fault(row, self.frozen)
        )

    def _baseline_fault(self, row: RowResult) -> str:
        baseline = row.cells["baseline"]
        if not baseline or (self.frozen and baseline == self.frozen.estimator):
            return ""
        if self.frozen:
            right = f"the frozen runs are of {self.frozen.estimator!r}"
        else:
            right = "no runs are frozen for it"
        return f"column baseline: {quoted(baseline)}, but {right}"

    def _double_fault(self, row: RowResult) -> str:
        cells = row.cells
        key = tuple(cells[k] for k in ("suite", "suite_version", "dimension", "group", "method"))
        if key in self._row_of:
            double = self._row_of[key]
            return f"column method: the same estimator, dimension and group as row {double}"
        self._row_of[key] = row.number
        twin = self._row_of_runs.setdefault(cells["data_sha256"], row.number)
        if twin != row.number:
            return f"column data_sha256: that of row {twin}; no two rows have the same runs"
        return ""

    def _problems_fault(self, row: RowResult, facts: SuiteFacts) -> str:
        """Find the problems that the row is about, by its group, dimension and targets_hash."""
        cells, suite = row.cells, facts.suite
        groups = list(dict.fromkeys(p.group for p in suite.problems))
        if cells["group"] not in groups:
            return f"column group: {unknown('group', cells['group'], groups)}"
        digest, dimension = cells["targets_hash"], cells["dimension"]
        problems = facts.problems(cells["group"], int(dimension)).get(digest, ())
        if not problems:
            return (
                f"column targets_hash: {digest} fits no problems of group {cells['group']!r} in "
                f"dimension {dimension} of suite {suite.name} {suite.version} as it is now; "
                "were all of them run?"
            )
        key = (suite.name, cells["group"], dimension)
        first, number = self._targets.setdefault(key, (digest, row.number))
        if first != digest:
            return f"column targets_hash: not that of row {number}, on the same dimension and group"
        for problem in problems:
            key = suite.name, problem.id
            first, number = self._dimensions.setdefault(key, (dimension, row.number))
            if first != dimension:
                return f"column dimension: {problem.id} has dimension {first} in row {number}"
        row.problems, row.suite = problems, suite
        return ""


def missing_rows(rows: Sequence[RowResult], frozen: FrozenRuns | None) -> list[str]:
    """List the rows that a leaderboard has to have and has not, one line per method.

    If one method has a row on a dimension and group of a suite's version, every method has to have
    one, and that of the frozen runs wherever runs are frozen. A group that no method has, and a
    method that has no row at all, may never have been run. If an earlier zobench froze the runs,
    all rows of their method may have been withdrawn.
    """
    keys = ("suite", "suite_version", "method", "dimension", "group")
    rows_there = {tuple(row.cells[key] for key in keys) for row in rows}
    expected = {
        (*suite, method, *case)
        for suite in {row[:2] for row in rows_there}
        for method in {row[2] for row in rows_there if row[:2] == suite}
        for case in {row[3:] for row in rows_there if row[:2] == suite}
    }
    if frozen is not None:
        suites = {(row.suite.name, row.suite.version) for row in rows if row.suite}
        cases = frozen.table[["estimator", "dimension", "group"]].drop_duplicates().astype(str)
        methods = {row[:3] for row in rows_there}
        expected |= {
            (*suite, *case)
            for suite in suites
            for case in cases.itertuples(index=False, name=None)
            if not frozen.has_earlier or (*suite, case[0]) in methods
        }
    absent: dict[str, list[str]] = {}
    for _, _, method, dimension, group in sorted(expected - rows_there):
        absent.setdefault(method, []).append(f"{group or 'no group'} (d = {int(dimension):,})")
    return [f"{method} has no row for {', '.join(cases)}" for method, cases in absent.items()]


def _version_fault(row: RowResult, suite: Suite) -> str:
    """Leave a row of an earlier version unchecked; refuse one of a version to come."""
    version, now = row.cells["suite_version"], suite.version
    number = r"[1-9][0-9]{0,8}"
    if re.fullmatch(number, version) and re.fullmatch(number, now) and int(version) < int(now):
        row.status = UNCHECKED
        row.note = f"of suite {suite.name} version {version}; here is version {now}"
        return ""
    return f"column suite_version: {quoted(version)}, but suite {suite.name!r} is at {now!r}"
