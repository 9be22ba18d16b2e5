"""A row run again: does it reproduce, exactly or within the noise? Seconds are never compared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zobench.analysis.leaderboard import leaderboard_rows
from zobench.errors import BadInput
from zobench.harness.plan import RunSpec, plan
from zobench.leaderboard.verify import expected
from zobench.leaderboard.verify.columns import UNKNOWN, number, packages_of, same
from zobench.leaderboard.verify.found import Found
from zobench.leaderboard.verify.hashes import data_hash, settings_hash
from zobench.results.frame import Frame
from zobench.results.results import Results, read
from zobench.results.versions import versions_of
from zobench.running.making import Show, make

EXACT, NOISE, DIFFERS, UNJUDGED = "exact", "noise", "differs", "unjudged"
COUNTED = ("n_problems", "n_runs", "n_failed", "success_rate", "coverage")
SCORED = ("log_area", "aocc")  # between 0 and 1
ENDS = ("log_area_low", "log_area_high", "aocc_low", "aocc_high")
SPEEDUPS = ("n_speedup", "speedup", "speedup_low", "speedup_high")
SAME = (
    "same environment, where runs repeat to the query, unless packages that a row does not name, "
    "such as torch, are of another version"
)
LIMITED = ("timeout", "oom")  # how runs end where a machine is too small, not a row wrong


@dataclass(frozen=True)
class Judged:
    """What came of running a row again. `said`: in words, with the figures."""

    found: Found
    status: str
    said: str


def specs_of(found: Found) -> list[RunSpec]:
    """The runs of a row: as many repetitions as it has, with the settings of its track."""
    suite, cells = found.suite, found.cells
    assert suite is not None
    suite = replace(suite, problems=found.problems)
    whole = int(cells["n_problems"]) == len(found.problems)
    count = expected.repetitions(found.problems, int(cells["n_runs"])) if whole else None
    specs = plan(suite, [cells["method"]], baselines=cells["track"] == "tuned")
    return [s for s in specs if count is None or s.repetition < count]


def rerun(
    rows: Sequence[Found],
    folder: Path,
    frozen: Frame | None,
    tolerance: float,
    jobs: int = 1,
    show: Show | None = None,
) -> Iterator[Judged]:
    """Make the runs of rows in `folder`, or take those that it holds, and judge each row by them.

    `frozen`: the runs that speed-ups refer to. `tolerance`: see `judge`.
    Raises Interrupted on Ctrl-C.
    """
    planned: list[tuple[Found, list[RunSpec], Judged | None]] = []
    for found in rows:
        specs, judged = [], None
        try:
            specs = specs_of(found)
        except BadInput as error:
            judged = Judged(found, UNJUDGED, str(error))
        if specs and (h := settings_hash(specs)) != found.cells["settings_hash"]:
            judged = Judged(
                found, DIFFERS, f"settings_hash is {found.cells['settings_hash']}, but {h} here"
            )
        planned.append((found, specs, judged))
    todo = [spec for _, specs, judged in planned if judged is None for spec in specs]
    if todo:
        make(todo, folder, jobs, show)
    for found, specs, judged in planned:
        yield judged or _looked_at(found, read(specs, folder, {}, []), frozen, tolerance)


def judge(claimed: Mapping[str, str], here: Mapping[str, Any], tolerance: float) -> tuple[str, str]:
    """(status, the figures in words) for a row as `claimed` and as it was computed `here`.

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
    told = [f"{n} {claimed[n] or 'empty'}, here {float(here[n]):.6g}" for n in off]
    if wrong:
        low, high = bounds[wrong[0]]
        told.append(f"noise: {wrong[0]} {f'{low:.4g} to {high:.4g}' if low < high else 'as here'}")
    return (DIFFERS if wrong else NOISE), "; ".join(told)


def _bounds(here: Mapping[str, Any], tolerance: float) -> dict[str, tuple[float, float]]:
    """What each figure may be if it differs by noise alone; nothing where it is not known here."""
    runs = max(1.0, float(here["n_runs"]))
    widths: dict[str, float] = {"n_problems": 0.0, "n_runs": 0.0, "coverage": 0.0}
    widths["success_rate"] = max(tolerance, 0.5 / runs**0.5)
    widths["n_failed"] = runs * widths["success_rate"]
    for name in SCORED:
        half = (float(here[f"{name}_high"]) - float(here[f"{name}_low"])) / 2
        noise = max(tolerance, half) if half == half else tolerance
        widths |= dict.fromkeys((name, f"{name}_low", f"{name}_high"), noise)
    bounds = {name: (float(here[name]) - w, float(here[name]) + w) for name, w in widths.items()}
    low, high = (float(here[name]) for name in SPEEDUPS[2:])
    bounds |= {"speedup": (low, high)} | dict.fromkeys(SPEEDUPS[2:], (0.0, math.inf))
    both, some = float(here["n_speedup"]), max(1.0, 0.5 * float(here["n_problems"]) ** 0.5)
    return bounds | {"n_speedup": (both - some, both + some)}


def elsewhere(claimed: Mapping[str, str], here: Mapping[str, Any]) -> list[str]:
    """What of the row's environment differs from `here` (of `harness.environment`) and may change
    the last digits, which some estimators amplify."""
    packages = versions_of(here)
    now = {key: str(here.get(key, "")) for key in ("cpu", "threads", "python")}
    now |= {"numpy": str(packages.get("numpy", "")), "version": str(here.get("zobench", ""))}
    names = {"version": "zobench"}
    found = [names.get(key, key) for key, value in now.items() if claimed[key] != value]
    theirs = packages_of(claimed.get("packages", UNKNOWN))
    return found + [
        f"{name} {packages.get(name, UNKNOWN)} for {said}"
        for name, said in theirs.items()
        if packages.get(name, UNKNOWN) != said
    ]


def _looked_at(found: Found, results: Results, frozen: Frame | None, tolerance: float) -> Judged:
    statuses = list(results.runs["status"])
    reasons = dict.fromkeys(results.runs.loc[results.runs["status"] == "skipped", "reason"])
    if all(status == "skipped" for status in statuses):
        return Judged(found, UNJUDGED, f"its runs are skipped here: {next(iter(reasons))}")
    limited = sum(statuses.count(status) for status in LIMITED)
    if limited and limited != int(found.cells["n_failed"]):
        return Judged(
            found, UNJUDGED, f"{limited} of {len(statuses)} runs exceed time or memory here"
        )
    return _judged(found, results, frozen if found.cells["baseline"] else None, tolerance)


def _judged(found: Found, results: Results, baseline: Frame | None, tolerance: float) -> Judged:
    from zobench.harness.store import Store

    cells = found.cells
    frames = results.runs, results.hits, results.problems
    asked = {problem.id: problem.repetitions for problem in found.problems}
    rows = leaderboard_rows(*frames, baseline=baseline, asked=asked)
    if len(rows) != 1 or int(rows["dimension"].iloc[0]) != int(cells["dimension"]):
        dimensions = ", ".join(f"{d:g}" for d in rows["dimension"])
        return Judged(found, DIFFERS, f"dimension is {cells['dimension']}, here {dimensions}")
    here = rows.iloc[0].to_dict()
    if cells["targets_hash"] != here["targets_hash"]:
        return Judged(found, DIFFERS, f"targets_hash is {here['targets_hash']} here")
    status, said = judge(cells, here, tolerance)
    digest = data_hash(results.runs, results.hits)
    with Store.open(results.folder, write=False) as store:
        places = list(store.environments().values())
    other = elsewhere(cells, places[-1])
    if digest == cells["data_sha256"]:  # the same runs: no noise, and one result
        if status == EXACT:
            said += ", and every run to the query"
        else:
            status, said = DIFFERS, f"{said}, of the same runs to the query"
    elif not other:  # runs repeat there, so the row's runs were others, or there were none
        status, said = DIFFERS, f"{said}, but data_sha256 is {digest} here ({SAME})"
    else:
        if status == EXACT:
            said += f", of other runs: data_sha256 is {digest} here"
        said += f" ({', '.join(other)} not as the row's)"
    return Judged(found, status, f"{len(results.runs)} runs: {said}")


def _agree(theirs: float, ours: float) -> bool:
    return theirs != theirs if ours != ours else same(theirs, ours)
