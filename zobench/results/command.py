"""The command that makes stored runs again, as a report shows it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zobench.errors import BadInput
from zobench.harness.baseline import read_baseline
from zobench.harness.chosen import IMPORTED
from zobench.harness.plan import RunSpec
from zobench.harness.suite import Suite
from zobench.harness.suite_file import load
from zobench.results.results import Results


def command_of(
    results: Results, suite: str = "", environments: Mapping[str, Mapping[str, Any]] | None = None
) -> str:
    """The command that makes these runs (again); as far as can be told, in a new folder.

    `suite`: as the user named it. Runs that were imported are read again instead, from where
    `environments` says.
    """
    specs, folder = results.specs, results.folder
    if not specs:
        return ""
    if all(spec.estimator.imported for spec in specs):
        return _importing(results, suite, environments or {})
    name = suite or _shown(results.suite_file) or specs[0].suite
    words = ["zobench", "compare", *dict.fromkeys(s.estimator.text for s in specs)]
    words += ["--suite", name]
    try:
        words += _departures(specs, results.suite or load(name))
    except BadInput:  # a file of the user's that is gone, or whose place is not recorded
        words[-1] = name if name.endswith(".toml") else f"{name}.toml"
    if folder != Path("results") / specs[0].suite:
        words += ["--out", str(folder)]
    for stored in results.against:
        words += ["--against", str(stored)]
    return shlex.join(words)


def _shown(file: str) -> str:
    """A full path, as it is typed where the command runs."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def _importing(results: Results, suite: str, environments: Mapping[str, Mapping[str, Any]]) -> str:
    """`zobench import` of what the results were read from."""
    first = results.specs[0]
    told = [e["imported"] for e in environments.values() if "imported" in e]
    words = ["zobench", "import", *dict.fromkeys(folder for folders in told for folder in folders)]
    if first.suite_version != IMPORTED:  # else the suite was made of the data
        words += ["--suite", suite or first.suite]
    return shlex.join([*words, "--out", str(results.folder)])


def _departures(specs: Sequence[RunSpec], suite: Suite) -> list[str]:
    """Options that say how the runs differ from what the suite asks for."""
    made = {spec.problem.id: spec.problem for spec in specs}
    asked = {problem.id: problem for problem in suite.problems}
    words: list[str] = []
    if set(made) < set(asked):
        words += [word for id in made for word in ("--problem", id)]
    for option, key in (("--budget", "budget"), ("--time-limit", "time_limit"),
                        ("--memory-limit", "memory_limit")):  # fmt: skip
        values = {getattr(problem, key) for problem in made.values()}
        same = all(getattr(made[id], key) == getattr(asked[id], key) for id in made if id in asked)
        if len(values) == 1 and not same and (value := values.pop()) is not None:
            words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    counts: dict[str, int] = {}
    for spec in specs:
        counts[spec.problem.id] = max(counts.get(spec.problem.id, 0), spec.repetition + 1)
    differs = any(asked[id].repetitions != n for id, n in counts.items() if id in asked)
    if differs and len(set(counts.values())) == 1:
        words += ["--repetitions", str(next(iter(counts.values())))]
    origins = {origin for spec in specs for origin in spec.estimator.settings_from.values()}
    if "baseline" not in origins and any(_tuned(spec) for spec in specs):
        words.append("--defaults")
    return words


def _tuned(spec: RunSpec) -> bool:
    """Would a setting that was left at its default be taken from a baseline now?"""
    try:
        tuned = read_baseline(spec.suite, spec.estimator.entry).settings(spec.problem.group)
    except (BadInput, KeyError):
        return False
    return any(spec.estimator.settings_from.get(key) == "default" for key in tuned)
