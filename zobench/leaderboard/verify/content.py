"""A row of a leaderboard against its suite and its estimator; "" where nothing is wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence

import zobench
from zobench.analysis.ert import ert
from zobench.analysis.leaderboard import baseline_hash
from zobench.analysis.runlengths import Cases
from zobench.errors import BadInput
from zobench.harness.chosen import EstimatorSpec, baseline_file
from zobench.harness.packages import required
from zobench.harness.suite import ProblemSpec, Suite
from zobench.leaderboard.verify import expected
from zobench.leaderboard.verify.columns import UNKNOWN, number, packages_of, same
from zobench.leaderboard.verify.found import UNCHECKED, Found
from zobench.leaderboard.verify.hashes import settings_hash
from zobench.leaderboard.verify.table import short
from zobench.registry import Entry, estimators, objectives
from zobench.results.frame import Frame
from zobench.tune import record


def coverage_fault(found: Found) -> str:
    """Do coverage, numbers of runs and success rate fit the suite? Fewer runs are noted."""
    cells, total = found.cells, len(found.problems)
    covered, runs = int(cells["n_problems"]), int(cells["n_runs"])
    if covered > total:
        return f"column n_problems: {covered} of {total} problems"
    asked = sum(p.repetitions for p in found.problems)
    most = sorted((p.repetitions for p in found.problems), reverse=True)[:covered]
    if runs > sum(most):
        return f"column n_runs: {runs}, but the suite asks for at most {sum(most)}"
    if not same(number(cells, "coverage"), runs / asked):
        return f"column coverage: {cells['coverage']}, but {runs} of {asked} runs were made"
    count = expected.repetitions(found.problems, runs) if covered == total else None
    if count and len(set(most)) == 1:
        reached = number(cells, "success_rate") * runs
        if abs(reached - round(reached)) > 1e-5 * runs:
            return f"column success_rate: {cells['success_rate']} is not a share of {runs} runs"
        if round(reached) + int(cells["n_failed"]) > runs:
            return (
                f"column n_failed: {cells['n_failed']}, but {reached:.0f} of {runs} runs succeeded"
            )
    targets = max(len(p.targets) for p in found.problems)
    most = 1 - (1 - number(cells, "success_rate")) / targets  # a run lacks at least its last target
    for name in ("log_area", "aocc"):
        if number(cells, name) > most + 1e-5:
            return f"column {name}: above {most:.6g}, the most with that success_rate"
    if runs < asked:
        found.said = f"{runs} of {asked} runs"
    return ""


def baseline_fault(found: Found, frozen: Frame | None) -> str:
    """Are the frozen runs beside the file those that the row's speed-up refers to?"""
    if frozen is None:
        return ""
    finals = {problem.id: len(problem.targets) - 1 for problem in found.problems}
    mine = frozen["target_index"] == frozen["problem"].map(finals)
    sizes = {str(size) for size in frozen.loc[mine, "dimension"]}
    if sizes - {found.cells["dimension"]}:
        there = " and ".join(sorted(sizes))
        return f"column dimension: {found.cells['dimension']}, but {there} in the frozen runs"
    if found.cells["n_runs"] == "0":
        return ""
    if mine.any() and not found.cells["baseline"]:
        return "column baseline: empty, though runs are frozen for these problems"
    said, here = found.cells["baseline_sha256"], baseline_hash(frozen[mine])
    if said != here:
        what = here or "nothing"
        return f"column baseline_sha256: {said or 'empty'}, but {what} by the frozen runs"
    if fault := _counts_fault(found, frozen[mine]):
        return fault
    costs = [ert(runs.length, runs.success) for runs in Cases(frozen[mine]).values()]
    most = max((cost for cost in costs if math.isfinite(cost)), default=math.inf)
    if number(found.cells, "speedup") > most * (1 + 1e-5):
        said = found.cells["speedup"]
        return f"column speedup: {said}, but no target of the frozen runs costs over {most:.6g}"
    return _queries_fault(found, costs[0]) if len(found.problems) == len(costs) == 1 else ""


def _counts_fault(found: Found, frozen: Frame) -> str:
    """Can so many problems have been reached by both, the row's estimator and the frozen runs?"""
    cells = found.cells
    both, problems = int(cells["n_speedup"] or 0), int(cells["n_problems"])
    theirs = sum(part.success.any() for part in Cases(frozen).values())
    rates = number(cells, "success_rate") * problems  # the sum over problems, each at most 1
    each = max(problem.repetitions for problem in found.problems)
    least, most = math.ceil(rates - 1e-4), min(problems, math.floor(rates * each + 1e-4))
    low, high = max(0, least + theirs - len(found.problems)), min(most, theirs)
    if low <= both <= high:
        return ""
    return (
        f"column n_speedup: {both}, but with that success_rate, and {theirs} problems that the "
        f"frozen runs reached, it is {low}" + (f" to {high}" if high > low else "")
    )


def _queries_fault(found: Found, cost: float) -> str:
    """On a single problem, are the queries that a speed-up stands for a whole number?

    `cost`: what the frozen runs spent for each success.
    """
    cells = found.cells
    value, runs = number(cells, "speedup"), int(cells["n_runs"])
    if math.isnan(value):
        return ""
    spent = round(number(cells, "success_rate") * runs) * cost / value
    if not 1 - 1e-5 <= spent / runs <= found.problems[0].budget * (1 + 1e-5):
        return f"column speedup: {value:g}, which {runs} runs within the budget cannot have"
    if abs(spent - round(spent)) > 1e-5 * spent + 1e-6:
        return f"column speedup: {value:g}, for which the runs had spent {spent:.6g} queries"
    return ""


def estimator_fault(found: Found, suite: Suite) -> str:
    """Does the estimator exist as the row says? One of a file is not executed."""
    cells = found.cells
    try:
        chosen = expected.estimator_of(cells["method"])
    except BadInput as error:
        return f"column method: {error}"
    if chosen is None:  # a file: checked when it runs, since that executes it
        found.said = found.said or "the file's settings are checked when it is run"
        return ""
    entry, version = estimators[chosen.entry], cells["version"]
    if any(_later(part) for part in version.split(" | ")):
        return f"column version: {short(version)}, but this is zobench {zobench.__version__}"
    if cells["first_order"] != str(entry.first_order) and int(cells["n_runs"]):
        return f"column first_order: {entry.first_order} for {entry.name}"
    fault = _packages(cells, [objectives[p.objective] for p in found.problems] + [entry])
    if fault:
        return fault
    fault = _settings(cells, chosen, suite, found.problems)
    if fault and version != zobench.__version__:  # settings and versions may have changed since
        found.status, found.said = UNCHECKED, f"of zobench {version}; now: {fault}"
        return ""
    return fault


def _packages(cells: dict[str, str], entries: Sequence[Entry]) -> str:
    """Does the row name the packages without which its problems and its estimator do not run?"""
    text = cells.get("packages", UNKNOWN)
    if text == UNKNOWN or not int(cells["n_runs"]):
        return ""
    for entry in entries:
        if (name := required(entry)) and name not in packages_of(text):
            return f"column packages: without {name}, which {entry.name} needs"
    return ""


def _later(version: str) -> bool:
    """Is that a version of zobench to come, or none at all?"""
    try:
        parts, now = ([int(n) for n in v.split(".")] for v in (version, zobench.__version__))
    except ValueError:
        return version != zobench.__version__
    return parts > now


def _settings(
    cells: dict[str, str], chosen: EstimatorSpec, suite: Suite, problems: Sequence[ProblemSpec]
) -> str:
    """Do track, effort and hash of settings fit what the estimator and its baseline say?"""
    tuned = cells["track"] == "tuned"
    group = problems[0].group
    effort = record.trials(baseline_file(suite.name, chosen.entry), group)
    if tuned and effort is None:
        return (
            f"column track: tuned, but baselines/{suite.name} holds nothing of {chosen.entry} on "
            f"group {group!r}"
        )
    if tuned and cells["tuning_effort"] != str(effort):
        return f"column tuning_effort: {cells['tuning_effort']}, but the baseline says {effort}"
    if cells["track"] == "default" and chosen.settings:
        return "column track: user, since the method names settings"
    try:
        wanted = settings_hash(expected.specs_of(suite, problems, chosen, tuned))
    except BadInput as error:
        return f"column method: {error}"
    if cells["settings_hash"] != wanted:
        source = "its baseline" if tuned else "its settings"
        return (
            f"column settings_hash: {cells['settings_hash']}, but {wanted} by the suite, the "
            f"estimator and {source}"
        )
    return ""
