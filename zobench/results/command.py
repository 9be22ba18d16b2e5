"""The command that makes stored runs again, for reports."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zobench.errors import BadInput
from zobench.harness.baseline import read_baseline
from zobench.harness.estimator_spec import IMPORTED
from zobench.harness.plan import RunSpec
from zobench.harness.suite import Suite
from zobench.harness.suite_file import load
from zobench.results.results import Results


def command_of(
    results: Results, suite: str = "", environments: Mapping[str, Mapping[str, Any]] | None = None
) -> str:
    """Return the command that makes these runs, as far as the results record it.

    Args:
        results: the results.
        suite: the suite as the user named it; "": as recorded.
        environments: hash -> environment; for imported runs it names the folders of the data.

    Returns:
        `zobench compare ...`, or `zobench import ...` for imported runs; "" without runs.
    """
    specs, folder = results.specs, results.folder
    if not specs:
        return ""
    if all(spec.estimator.imported for spec in specs):
        return _importing(results, suite, environments or {})
    name = suite or _path_text(results.suite_file) or specs[0].suite
    words = ["zobench", "compare", *dict.fromkeys(s.estimator.text for s in specs)]
    words += ["--suite", name]
    try:
        words += _departures(specs, results.suite or load(name))
    except BadInput:  # a user's file that was removed, or whose path is not recorded
        words[-1] = name if name.endswith(".toml") else f"{name}.toml"
    if folder != Path("results") / specs[0].suite:
        words += ["--out", str(folder)]
    for stored in results.against:
        words += ["--against", str(stored)]
    return shlex.join(words)


def _path_text(file: str) -> str:
    """The path of a file relative to the working directory, if the file lies below it."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def _importing(results: Results, suite: str, environments: Mapping[str, Mapping[str, Any]]) -> str:
    """The command `zobench import` with the folders that the results were read from."""
    first = results.specs[0]
    sources = [e["imported"] for e in environments.values() if "imported" in e]
    folders = dict.fromkeys(folder for source in sources for folder in source)
    words = ["zobench", "import", *folders]
    if first.suite_version != IMPORTED:  # else the suite was made of the data
        words += ["--suite", suite or first.suite]
    return shlex.join([*words, "--out", str(results.folder)])


def _departures(specs: Sequence[RunSpec], suite: Suite) -> list[str]:
    """The options by which the runs differ from those of the suite."""
    run_problems = {spec.problem.id: spec.problem for spec in specs}
    of_suite = {problem.id: problem for problem in suite.problems}
    words: list[str] = []
    if set(run_problems) < set(of_suite):
        words += [word for id in run_problems for word in ("--problem", id)]
    for option, key in (("--budget", "budget"), ("--time-limit", "time_limit"),
                        ("--memory-limit", "memory_limit")):  # fmt: skip
        values = {getattr(problem, key) for problem in run_problems.values()}
        is_as_suite = all(
            getattr(run_problems[id], key) == getattr(of_suite[id], key)
            for id in run_problems
            if id in of_suite
        )
        if len(values) == 1 and not is_as_suite and (value := values.pop()) is not None:
            words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    counts: dict[str, int] = {}
    for spec in specs:
        counts[spec.problem.id] = max(counts.get(spec.problem.id, 0), spec.repetition + 1)
    differs = any(of_suite[id].repetitions != n for id, n in counts.items() if id in of_suite)
    if differs and len(set(counts.values())) == 1:
        words += ["--repetitions", str(next(iter(counts.values())))]
    origins = {origin for spec in specs for origin in spec.estimator.settings_from.values()}
    if "baseline" not in origins and any(_has_baseline(spec) for spec in specs):
        words.append("--defaults")
    return words


def _has_baseline(spec: RunSpec) -> bool:
    """True if a baseline now has a value for a setting that was at its default."""
    try:
        suite = spec.problem.tuned_on or spec.suite
        tuned = read_baseline(suite, spec.estimator.entry).settings(spec.problem.group)
    except (BadInput, KeyError):
        return False
    return any(spec.estimator.settings_from.get(key) == "default" for key in tuned)
