"""Check the form of frozen runs: every row has to be that of a run of the suite."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from zobench.errors import BadInput
from zobench.harness.baseline import read_baseline
from zobench.harness.plan import RunSpec
from zobench.harness.suite import Suite
from zobench.leaderboard.board_file import BoardTable
from zobench.leaderboard.columns import Cells, agree, quoted
from zobench.leaderboard.frozen import ENDING, FIRST, VERSION, check_columns, is_of_earlier
from zobench.leaderboard.releases import version_fault
from zobench.leaderboard.verify.content import REFUSED, UNCHECKED, RowResult
from zobench.leaderboard.verify.expected import SuiteFacts, estimator_of, specs_of, suite_facts

KEY = r"[0-9a-f]{24}"  # the form of a run's key, whatever zobench made it


def check_frozen(table: BoardTable, own: SuiteFacts | None) -> tuple[list[RowResult], list[str]]:
    """Check each row of frozen runs; nothing is run.

    The key of a run has to be that of a run of the suite, which ties it to the settings and
    versions of today; its final target has one row, others at most one. The key of a run that an
    earlier zobench froze is unchecked if it is of no run today; its other cells are those of the
    suite.

    Returns:
        The rows, of which those of a run that does not exist have a note once per run; and which
        rows are missing.

    Raises:
        BadInput: a column is missing, or the estimator or the suite does not exist.
    """
    if not table.rows:
        return [], []
    check_columns(table)
    estimator = next((row.cells["estimator"] for row in table.rows if row.cells), "")
    suite = suite_facts(table.file.stem.removesuffix(ENDING), own).suite
    checker = _FrozenChecker(estimator, _planned(suite, estimator, table))
    rows = []
    unknown_keys: set[str] = set()
    for row in table.rows:
        result = RowResult(row.number, row.cells)
        key = row.cells.get("run_key", "")
        if key in unknown_keys:
            result.status = REFUSED
        elif fault := row.fault or checker.fault(row.cells):
            result.status, result.note = REFUSED, fault
            unknown_keys |= {key} - {"", *checker.planned}
        elif checker.planned[key].key != key:
            result.status = UNCHECKED
        rows.append(result)
    if any(row.status == REFUSED for row in rows):
        return rows, []
    return rows, checker.missing_problems()


@dataclass
class _FrozenChecker:
    """Checks rows in order: a row also has to agree with those above it."""

    estimator: str
    planned: dict[str, RunSpec]  # key -> run
    targets: set[tuple[str, int]] = field(default_factory=set)  # (key, target) of the rows above
    dimensions: dict[str, float] = field(default_factory=dict)  # of problems, by the rows above

    def __post_init__(self) -> None:
        self.by_place = {
            (run.problem.id, str(run.repetition)): run for run in self.planned.values()
        }

    def missing_problems(self) -> list[str]:
        """List the runs of the rows that lack their final target."""
        lines = []
        for key in dict.fromkeys(key for key, _ in self.targets):
            final = len(self.planned[key].problem.targets) - 1
            if (key, final) not in self.targets:
                lines.append(f"run {key} has no row for target_index {final}, the final one")
        return lines

    def fault(self, cells: Cells) -> str:
        """Return what is wrong with a row, "" if nothing is."""
        if cells["estimator"] != self.estimator:
            return (
                f"column estimator: {quoted(cells['estimator'])} among runs of {self.estimator!r}"
            )
        if fault := version_fault(cells.get(VERSION, FIRST)):
            return f"column {VERSION}: {fault}"
        spec = self._run_of(cells)
        if spec is None:
            return self._key_fault(cells["run_key"])
        problem, instance = spec.problem, spec.problem.instance(spec.repetition)
        for name, expected in (
            ("problem", problem.id),
            ("group", problem.group),
            ("repetition", spec.repetition),
            ("seed", spec.problem_seed),
            ("budget", problem.budget),
            ("success", cells["success"] if cells["success"] in ("True", "False") else "True"),
            ("kind", problem.scored or cells["kind"]),
        ):
            if cells[name] != str(expected):
                return f"column {name}: {quoted(cells[name])}, but {expected} by its run"
        numbers = {}
        for name in ("instance", "dimension", "target_index", "target", "length"):
            try:
                numbers[name] = float(cells[name])
            except ValueError:
                return f"column {name}: a number, not {quoted(cells[name])}"
        if numbers["instance"] != (-1 if instance is None else instance):
            return f"column instance: {quoted(cells['instance'])}, but {instance} by its run"
        index = numbers["target_index"]
        if index not in range(len(problem.targets)):
            return f"column target_index: {quoted(cells['target_index'])} is not that of a target"
        target = problem.targets[int(index)]
        if not agree(numbers["target"], target):
            return f"column target: {quoted(cells['target'])}, but {target:g} in the suite"
        if not 1 <= numbers["length"] <= problem.budget:
            length = quoted(cells["length"])
            return f"column length: from 1 to {problem.budget} queries, not {length}"
        first = self.dimensions.setdefault(problem.id, numbers["dimension"])
        size = problem.settings.get("dim", first)
        if numbers["dimension"] != size:
            dimension = quoted(cells["dimension"])
            return f"column dimension: {dimension}, but {size:g} for {problem.id}"
        at_start = str(cells["success"] == "True" and numbers["length"] <= 1)
        if cells["at_start"] != at_start:
            text = quoted(cells["at_start"])
            return f"column at_start: {text}, but {at_start} by length and success"
        if (cells["run_key"], int(index)) in self.targets:
            return f"column target_index: {index:.0f} for the second time"
        self.targets.add((cells["run_key"], int(index)))
        return ""

    def _run_of(self, cells: Cells) -> RunSpec | None:
        """Return the run of a row: by its key, or by its cells if an earlier zobench froze it."""
        key = cells["run_key"]
        if key not in self.planned and re.fullmatch(KEY, key) and is_of_earlier(cells):
            run = self.by_place.get((cells["problem"], cells["repetition"]))
            if run is not None:
                self.planned[key] = run
        return self.planned.get(key)

    def _key_fault(self, key: str) -> str:
        if not re.fullmatch(KEY, key):
            return f"column run_key: 24 hex digits, not {quoted(key)}"
        first = next(iter(self.planned.values()))
        suite = f"suite {first.suite} version {first.suite_version}, as it is now"
        return f"column run_key: {quoted(key)} is not a run of {self.estimator} on {suite}"


def _planned(suite: Suite, name: str, table: BoardTable) -> dict[str, RunSpec]:
    """Return key -> run for all runs of the suite, tuned or not. Raises BadInput."""
    try:
        estimator = estimator_of(name)
        if estimator is None:
            raise BadInput("an estimator of a file cannot be what speed-ups refer to")
        planned = {}
        for baseline in (None, read_baseline(suite.name, estimator.entry)):
            for spec in specs_of(suite, suite.problems, estimator, baseline):
                runs = (replace(spec, repetition=r) for r in range(spec.problem.repetitions))
                planned |= {run.key: run for run in runs}
        return planned
    except BadInput as error:
        raise table.fault(2, f"column estimator: {error}") from error
