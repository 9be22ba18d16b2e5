"""Sentences that accompany every verdict: on missing runs and settings that are not tuned."""

from __future__ import annotations

from collections.abc import Iterable

from zobench.analysis.frames import SKIPPED
from zobench.registry import estimators
from zobench.results.results import Results
from zobench.results.versions import differing


def basis(results: Results) -> str:
    """State in a sentence what a verdict rests on: problems, runs and the origin of settings."""
    specs = results.specs
    problems = {spec.problem.id for spec in specs}
    counts = sorted({spec.problem.repetitions for spec in specs})
    runs = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    origins = {o for spec in specs for o in spec.estimator.settings_from.values()}
    of = {
        s.problem.tuned_on or s.suite
        for s in specs
        if "baseline" in s.estimator.settings_from.values()
    }
    settings = f", settings tuned on {' and '.join(sorted(of))}" if "baseline" in origins else ""
    many = len(problems) > 1
    return (
        f"This rests on {len(problems)} problem{'s' * many} of {specs[0].suite}, with {runs} "
        f"run{'s' * (runs != '1')} per estimator{' on each' * many}{settings}; other problems may "
        "give another order."
    )


def untuned(results: Results) -> str:
    """Name the estimators that ran at their default settings in a sentence; "" if there is none."""
    runs = results.runs[results.runs["status"] != SKIPPED]
    pairs = set(zip(runs["estimator"], runs["problem"]))
    specs = [s for s in results.specs if (s.estimator.text, s.problem.id) in pairs]
    names: dict[str, list[str]] = {}
    spaces = {name: _space(name) for name in {spec.estimator.entry for spec in specs}}
    for spec in specs:
        estimator = spec.estimator
        origins = [estimator.settings_from.get(key, "user") for key in spaces[estimator.entry]]
        if origins and set(origins) == {"default"}:
            groups = names.setdefault(estimator.text, [])
            groups += [] if spec.problem.group in groups else [spec.problem.group]
    total = len({spec.problem.group for spec in specs})
    parts = [n if len(g) == total else f"{n} (on {', '.join(g)})" for n, g in names.items()]
    if not parts:
        return ""
    tuned = {spec.estimator.text for spec in specs} - set(names)
    scope = "For these, " if tuned else "So this is about defaults, not methods; "
    return (
        f"Not tuned, at default settings: {', '.join(parts)}. {scope}`zobench tune` searches "
        "settings, NAME:lr=... sets them."
    )


def _space(name: str) -> Iterable[str]:
    """The settings of an estimator that `tune` searches."""
    try:
        return estimators[name].space
    except ValueError:  # a user's file that was removed, or imported data
        return ()


def absent_runs(results: Results) -> str:
    """Count the planned runs that are missing, as after a kill, in a sentence; "" if none is."""
    count, planned = len(results.runs), len(results.specs)
    if count >= planned:
        return ""
    return (
        f"{planned - count:,} of the {planned:,} runs that were asked for are not there: this "
        "speaks for the others alone. The command that makes them goes on where it stopped."
    )


def elsewhere(results: Results) -> str:
    """Name runs that the command did not make, stored or imported, in a sentence; "" if none."""
    imported = dict.fromkeys(s.estimator.text for s in results.specs if s.estimator.imported)
    if imported:
        return f"Imported, not run by zobench: {', '.join(imported)}."
    if not results.stored:
        return ""
    folders = ", ".join(map(str, results.against))
    return (
        f"Stored in {folders}, not run by this command: {', '.join(results.stored)}. Seconds "
        "compare only on one computer under one load."
    )


def notes(results: Results) -> list[str]:
    """Return all sentences that apply to the results."""
    texts = (absent_runs(results), elsewhere(results), *differing(results), untuned(results))
    return [text for text in texts if text]
