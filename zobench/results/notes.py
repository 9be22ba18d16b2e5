"""What every form of a verdict has to add: runs that are missing, settings that are not tuned."""

from __future__ import annotations

from collections.abc import Iterable

from zobench.analysis.frames import SKIPPED
from zobench.registry import estimators
from zobench.results.results import Results
from zobench.results.versions import differing


def untuned(results: Results) -> str:
    """One sentence on the estimators that ran without any setting tuned or given; or none: ""."""
    runs = results.runs[results.runs["status"] != SKIPPED]
    made = set(zip(runs["estimator"], runs["problem"]))
    specs = [s for s in results.specs if (s.estimator.text, s.problem.id) in made]
    names: dict[str, list[str]] = {}
    spaces = {name: _space(name) for name in {spec.estimator.entry for spec in specs}}
    for spec in specs:
        chosen = spec.estimator
        origins = [chosen.settings_from.get(key, "user") for key in spaces[chosen.entry]]
        if origins and set(origins) == {"default"}:
            groups = names.setdefault(chosen.text, [])
            groups += [] if spec.problem.group in groups else [spec.problem.group]
    total = len({spec.problem.group for spec in specs})
    told = [n if len(g) == total else f"{n} (on {', '.join(g)})" for n, g in names.items()]
    if not told:
        return ""
    tuned = {spec.estimator.text for spec in specs} - set(names)
    of = "For these, " if tuned else "So this is about defaults, not methods; "
    return (
        f"Not tuned, at default settings: {', '.join(told)}. {of}`zobench tune` searches settings, "
        "NAME:lr=... sets them."
    )


def _space(name: str) -> Iterable[str]:
    """The settings of an estimator that `tune` searches."""
    try:
        return estimators[name].space
    except ValueError:  # stored results: a file of the user's that is gone, imported data
        return ()


def missing(results: Results) -> str:
    """A sentence on runs that were asked for and are not there, as after a kill; or none: ""."""
    count, asked = len(results.runs), len(results.specs)
    if count >= asked:
        return ""
    return (
        f"{asked - count:,} of the {asked:,} runs that were asked for are not there: this speaks "
        "for the others alone. The command that makes them goes on where it stopped."
    )


def elsewhere(results: Results) -> str:
    """A sentence on runs that stand beside those of the command, or were imported; or none: ""."""
    read = dict.fromkeys(s.estimator.text for s in results.specs if s.estimator.imported)
    if read:
        return f"Imported, not run by zobench: {', '.join(read)}."
    if not results.stored:
        return ""
    folders = ", ".join(map(str, results.against))
    return (
        f"Stored in {folders}, not run by this command: {', '.join(results.stored)}. Seconds "
        "compare only on one computer under one load."
    )


def notes(results: Results) -> list[str]:
    """All of these sentences."""
    said = (missing(results), elsewhere(results), *differing(results), untuned(results))
    return [text for text in said if text]
