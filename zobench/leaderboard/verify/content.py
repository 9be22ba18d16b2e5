"""Compare a row of a leaderboard with its suite, its estimator and the frozen runs.

Each check returns "column ...: what is wrong", or "" if nothing is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

import zobench
from zobench.analysis.scores import least_log_area
from zobench.errors import BadInput
from zobench.harness.baseline import read_baseline
from zobench.harness.estimator_spec import EstimatorSpec
from zobench.harness.packages import required
from zobench.harness.suite import ProblemSpec, Suite
from zobench.leaderboard.columns import UNKNOWN, Cells, agree, half_digit, number, packages_of
from zobench.leaderboard.frozen import FrozenFigures, FrozenRuns
from zobench.leaderboard.releases import is_earlier
from zobench.leaderboard.verify.expected import SuiteFacts, estimator_of, repetitions
from zobench.registry import Entry, estimators, objectives

FITS, UNCHECKED, REFUSED = "fits", "unchecked", "refused"


@dataclass
class RowResult:
    """A row after its check."""

    number: int
    cells: dict[str, str]
    _: KW_ONLY
    status: str = FITS
    note: str = ""  # why the row is refused or unchecked, or what to know of it
    problems: tuple[ProblemSpec, ...] = ()  # of the suite, that the row is about
    suite: Suite | None = None

    @property
    def name(self) -> str:
        """The method, group and dimension of the row, in words."""
        cells = self.cells
        if not cells:
            return "cannot be read"
        return f"{cells['method']}, d={cells['dimension']}, {cells['group'] or 'no group'}"


def coverage_fault(row: RowResult) -> str:
    """Check coverage, numbers of runs and success rate against the suite; note missing runs."""
    cells, total = row.cells, len(row.problems)
    covered, runs = int(cells["n_problems"]), int(cells["n_runs"])
    if covered > total:
        return f"column n_problems: {covered} of {total} problems"
    planned = sum(p.repetitions for p in row.problems)
    most = sorted((p.repetitions for p in row.problems), reverse=True)[:covered]
    if runs > sum(most):
        return f"column n_runs: {runs}, but the suite asks for at most {sum(most)}"
    if not agree(number(cells, "coverage"), runs / planned):
        return f"column coverage: {cells['coverage']}, but {runs} of {planned} runs were made"
    count = repetitions(row.problems, runs) if covered == total else None
    if count and len(set(most)) == 1:
        successes = number(cells, "success_rate") * runs
        if abs(successes - round(successes)) > 1e-5 * runs:
            return f"column success_rate: {cells['success_rate']} is not a share of {runs} runs"
        if round(successes) + int(cells["n_failed"]) > runs:
            failed = cells["n_failed"]
            return f"column n_failed: {failed}, but {successes:.0f} of {runs} runs succeeded"
    targets = max(len(p.targets) for p in row.problems)
    top = 1 - (1 - number(cells, "success_rate")) / targets  # a run lacks at least its last target
    for name in ("log_area", "aocc"):
        if number(cells, name) > top + 1e-5:
            return f"column {name}: above {top:.6g}, the most with that success_rate"
    if runs < planned:
        row.note = f"{runs} of {planned} runs"
    return ""


def scores_fault(row: RowResult) -> str:
    """Check that runs within the budgets of these problems can have both scores."""
    cells = row.cells
    both = [number(cells, name) for name in ("aocc", "log_area")]
    if any(map(math.isnan, both)):
        return ""
    soon, area = both
    budgets, covered = [p.budget for p in row.problems], int(cells["n_problems"])
    least = least_log_area(max(0.0, soon - half_digit(soon)), budgets, covered)
    if area + half_digit(area) < least - 1e-9:
        return f"column log_area: below {least:.6g}, the least with that aocc and budget"
    most = max(p.budget * len(p.targets) for p in row.problems)  # a success is at least one hit
    least = number(cells, "success_rate") / most
    if soon < least * (1 - 1e-5):
        return f"column aocc: below {least:.6g}, the least with that success_rate and budget"
    return ""


def speedup_fault(row: RowResult, frozen: FrozenRuns | None) -> str:
    """Check that the speed-up refers to the frozen runs beside the file, and can be of them."""
    if frozen is None:
        return ""
    cells, figures = row.cells, frozen.figures(row.problems)
    if figures.dimensions - {cells["dimension"]}:
        sizes = " and ".join(sorted(figures.dimensions))
        return f"column dimension: {cells['dimension']}, but {sizes} in the frozen runs"
    if cells["n_runs"] == "0":
        return ""
    if figures.costs and not cells["baseline"]:
        return "column baseline: empty, though runs are frozen for these problems"
    digest = cells["baseline_sha256"]
    if digest != figures.digest:
        right = figures.digest or "nothing"
        return f"column baseline_sha256: {digest or 'empty'}, but {right} by the frozen runs"
    if fault := _own_fault(row, frozen, figures) or _both_reached_fault(row, figures):
        return fault
    costs = [cost for cost in figures.costs if math.isfinite(cost)]
    most = max(costs, default=math.inf)
    if number(cells, "speedup") > most * (1 + 1e-5):
        return (
            f"column speedup: {cells['speedup']}, but no target of the frozen runs costs over "
            f"{most:.6g}"
        )
    dearest = max(p.budget * p.repetitions for p in row.problems)  # queries per success
    if number(cells, "speedup") < (least := min(costs, default=0.0) / dearest) * (1 - 1e-5):
        return (
            f"column speedup: {cells['speedup']}, but runs within the budget have {least:.6g} or "
            "more"
        )
    if len(row.problems) == len(figures.costs) == 1:
        return _queries_fault(row, figures.costs[0])
    return ""


def estimator_fault(row: RowResult, facts: SuiteFacts) -> str:
    """Check that the estimator exists as the row says; one of a file is not executed."""
    cells = row.cells
    try:
        estimator = estimator_of(cells["method"])
    except BadInput as error:
        return f"column method: {error}"
    if estimator is None:
        row.note = row.note or "the file's settings are checked when it is run"
        return ""
    entry, version = estimators[estimator.entry], cells["version"]
    if cells["first_order"] != str(entry.first_order) and int(cells["n_runs"]):
        return f"column first_order: {entry.first_order} for {entry.name}"
    entries = [objectives[p.objective] for p in row.problems] + [entry]
    if fault := _packages_fault(cells, entries):
        return fault
    fault = _settings_fault(row, estimator, facts)
    if fault and version != zobench.__version__:  # settings and versions may have changed since
        row.status, row.note = UNCHECKED, f"of zobench {version}; now: {fault}"
        return ""
    return fault


def _own_fault(row: RowResult, frozen: FrozenRuns, figures: FrozenFigures) -> str:
    """Check the row of the frozen method: its figures are those of the frozen runs themselves.

    A later zobench than that which froze the runs may have made other runs, and a row may have more
    runs than were frozen.
    """
    cells = row.cells
    versions = cells["version"].split(" | ")
    is_later = any(is_earlier(old, new) for old in frozen.versions for new in versions)
    runs = int(cells["n_runs"])
    if cells["method"] != frozen.estimator or not figures.runs or is_later or runs > figures.runs:
        return ""
    if runs < figures.runs:
        return f"column n_runs: {runs}, but {figures.runs} runs of {frozen.estimator} are frozen"
    for name, expected in (
        ("n_problems", len(figures.costs)),
        ("success_rate", figures.success_rate),
        ("n_speedup", figures.reached),
        ("speedup", 1.0 if figures.reached else math.nan),
    ):
        if not agree(number(cells, name), expected):
            text = cells[name] or "empty"
            return f"column {name}: {text}, but {expected:.6g} by the row's own frozen runs"
    if set(versions) != {zobench.__version__} or not figures.reached:
        return ""  # the computation of intervals may have changed since
    interval = frozen.own_interval(row.problems)
    names = ("speedup_low", "speedup_high")
    for name, expected in zip(names, interval or (number(cells, name) for name in names)):
        if not agree(number(cells, name), expected):
            return f"column {name}: {cells[name]}, but {expected:.6g} by the row's own frozen runs"
    return ""


def _both_reached_fault(row: RowResult, figures: FrozenFigures) -> str:
    """Check that the row and the frozen runs can both have reached `n_speedup` problems."""
    cells = row.cells
    n_both, problems = int(cells["n_speedup"] or 0), int(cells["n_problems"])
    rates = number(cells, "success_rate") * problems  # the sum over problems, each at most 1
    count = max(problem.repetitions for problem in row.problems)
    least, most = math.ceil(rates - 1e-4), min(problems, math.floor(rates * count + 1e-4))
    low = max(0, least + figures.reached - len(row.problems))
    high = min(most, figures.reached)
    if low <= n_both <= high:
        return ""
    return (
        f"column n_speedup: {n_both}, but with that success_rate, and {figures.reached} problems "
        f"that the frozen runs reached, it is {low}" + (f" to {high}" if high > low else "")
    )


def _queries_fault(row: RowResult, cost: float) -> str:
    """Check that on a single problem, the queries behind a speed-up are a whole number.

    `cost`: the queries of the frozen runs per success.
    """
    cells = row.cells
    value, runs = number(cells, "speedup"), int(cells["n_runs"])
    if math.isnan(value):
        return ""
    spent = round(number(cells, "success_rate") * runs) * cost / value
    if not 1 - 1e-5 <= spent / runs <= row.problems[0].budget * (1 + 1e-5):
        return f"column speedup: {value:g}, which {runs} runs within the budget cannot have"
    if abs(spent - round(spent)) > 1e-5 * spent + 1e-6:
        return f"column speedup: {value:g}, for which the runs had spent {spent:.6g} queries"
    return ""


def _packages_fault(cells: Cells, entries: Sequence[Entry]) -> str:
    """Check that the row names the packages without which it cannot have been run."""
    text = cells.get("packages", UNKNOWN)
    if text == UNKNOWN or not int(cells["n_runs"]):
        return ""
    for entry in entries:
        if (name := required(entry)) and name not in packages_of(text):
            return f"column packages: without {name}, which {entry.name} needs"
    return ""


def _settings_fault(row: RowResult, estimator: EstimatorSpec, facts: SuiteFacts) -> str:
    """Check track, effort and hash of settings against the estimator and its baseline."""
    cells, group, suite = row.cells, row.problems[0].group, facts.suite
    is_tuned = cells["track"] == "tuned"
    try:
        source = row.problems[0].tuned_on or suite.name
        baseline = read_baseline(source, estimator.entry)
        effort = baseline.trials(group)
        if is_tuned and effort is None:
            return (
                f"column track: tuned, but baselines/{source} holds nothing of "
                f"{estimator.entry} on group {group!r}"
            )
        if is_tuned and cells["tuning_effort"] != str(effort):
            return f"column tuning_effort: {cells['tuning_effort']}, but the baseline says {effort}"
        if cells["track"] == "default" and estimator.settings:
            return "column track: user, since the method names settings"
        digest = facts.settings_hash(row.problems, estimator, baseline if is_tuned else None)
    except BadInput as error:
        return f"column method: {error}"
    if cells["settings_hash"] != digest:
        source = "its baseline" if is_tuned else "its settings"
        return (
            f"column settings_hash: {cells['settings_hash']}, but {digest} by the suite, the "
            f"estimator and {source}"
        )
    return ""
