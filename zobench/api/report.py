"""`zobench report`: stored results as a page, as Markdown, as text."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zobench.api.making import Results, read
from zobench.api.notes import notes
from zobench.errors import BadInput, unknown
from zobench.harness.chosen import baseline_settings
from zobench.harness.files import write_whole
from zobench.harness.plan import RunSpec
from zobench.harness.suite import Suite, load

if TYPE_CHECKING:
    from zobench.report.source import Source

ENDINGS = {"html": ".html", "md": ".md"}


def stored(folder: Path, suite: str = "") -> Results:
    """All results of a suite that a folder holds. Raises BadInput when there are none."""
    from zobench.harness.store import Store

    with Store.open(folder, write=False) as store:
        specs = store.specs()
    suites = list(dict.fromkeys(spec.suite for spec in specs))
    if suite and suite not in suites and Path(suite).suffix == ".toml":
        suite = load(suite).name
    if suite and suite not in suites:
        raise unknown(f"suite in {folder}", suite, suites)
    if len(suites) > 1 and not suite:
        raise BadInput(f"{folder} holds suites {', '.join(suites)}; choose one with --suite")
    return read([s for s in specs if s.suite == (suite or s.suite)], folder, {}, [])


def source(results: Results, suite: str = "", known: Mapping[str, Any] | None = None) -> Source:
    """What a report is made from. `suite`: as the user named it; `known`: see `Source`."""
    from zobench.harness.store import Store
    from zobench.report.source import Source

    with Store.open(results.folder, write=False) as store:
        environments = store.environments()
    command = command_of(results.specs, results.folder, suite)
    frames = results.runs, results.hits, results.traces, results.problems
    return Source(*frames, environments, command, known or {}, notes(results))


def command_of(specs: Sequence[RunSpec], folder: Path, suite: str = "") -> str:
    """The command that makes these runs (again); as far as can be told, in a new folder."""
    if not specs:
        return ""
    name = suite or specs[0].suite
    words = ["zobench", "compare", *dict.fromkeys(s.estimator.display for s in specs)]
    words += ["--suite", name]
    try:
        words += _departures(specs, load(name))
    except BadInput:  # a file of the user's, whose place is not recorded
        words[-1] = name if name.endswith(".toml") else f"{name}.toml"
    if folder != Path("results") / specs[0].suite:
        words += ["--out", str(folder)]
    return shlex.join(words)


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
        tuned = baseline_settings(spec.suite, spec.estimator.name, spec.problem.group)
    except (BadInput, KeyError):
        return False
    return any(spec.estimator.settings_from.get(key) == "default" for key in tuned)


def check_page(path: Path) -> None:
    """Raises BadInput, before any run, for a file that could not be written."""
    if path.is_dir():
        raise BadInput(f"cannot write the report {str(path)!r}: that is a folder")
    if path.parent.exists() and not path.parent.is_dir():
        raise BadInput(f"cannot write the report {str(path)!r}: {str(path.parent)!r} is a file")


def write(source: Source, path: Path, kind: str = "html") -> Path:
    """Write the report as "html" or "md". Raises BadInput when that is impossible."""
    if kind == "md":
        from zobench.report.markdown import markdown as rendered
    else:
        from zobench.report.html import page as rendered
    return save(path, rendered(source))


def save(path: Path, text: str) -> Path:
    """Write a file, and the folders it needs. Raises BadInput when that is impossible."""
    check_page(path)
    write_whole(path, text)
    return path


def write_csv(source: Source, folder: Path) -> list[Path]:
    """Write the numbers of every figure as CSV files. Raises BadInput."""
    from zobench.report import csvtext, figures

    return csvtext.save(folder, figures.frames(source))


def leaderboards(folder: Path, out: Path) -> tuple[Path, int]:
    """(the page over all leaderboards of a folder, its rows). Raises BadInput without any."""
    from zobench.report.board import board, read_boards

    rows = read_boards(folder)
    return save(out, board(rows)), len(rows)
