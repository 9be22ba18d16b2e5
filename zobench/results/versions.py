"""Versions of the packages that runs were made with, and differences that may change results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from zobench.analysis.frames import SKIPPED
from zobench.errors import BadInput
from zobench.harness.packages import packages, versions
from zobench.registry import Registry, estimators, objectives
from zobench.results.results import Results

if TYPE_CHECKING:
    import pandas as pd

MANY = 6  # names that a line lists


def differing(results: Results) -> list[str]:
    """Return a line for each package whose version differs between runs, or from the installed one.

    The packages of a problem count for all runs on it, those of an estimator for all of its runs.
    Installed packages count if the command took runs that were made before. Unknown versions do
    not count.
    """
    runs_made = results.runs.loc[results.runs["status"] != SKIPPED]
    by_key = {
        key: versions_of(results.environments.get(key, {})) for key in set(runs_made["environment"])
    }
    here = versions() if results.counts.get("resumed") else {}
    recorded = [of_run for of_run in (*by_key.values(), here) if of_run]
    if all(of_run == recorded[0] for of_run in recorded):  # nearly always
        return []
    about: dict[str, dict[str, list[str]]] = {}  # package -> "on" problems, "of" estimators
    versions_in_runs: dict[str, set[str]] = {}  # package -> versions
    for kind, scope, names, part in _parts(results, runs_made):
        for name in names:
            versions_here = {
                by_key[key][name] for key in set(part["environment"]) if name in by_key[key]
            }
            if versions_here and len(versions_here | ({here[name]} if name in here else set())) > 1:
                about.setdefault(name, {}).setdefault(kind, []).append(scope)
                versions_in_runs.setdefault(name, set()).update(versions_here)
    return [
        _line(name, about[name], versions_in_runs[name], here.get(name, ""))
        for name in sorted(about)
    ]


def packages_needed(results: Results, runs_made: pd.DataFrame) -> set[str]:
    """Return the packages that the problems and estimators of these runs need."""
    return {name for _, _, names, _ in _parts(results, runs_made) for name in names}


def versions_of(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return package -> version of a stored environment."""
    return dict(environment.get("packages", {}))


def _parts(
    results: Results, runs_made: pd.DataFrame
) -> Iterator[tuple[str, str, list[str], pd.DataFrame]]:
    """Yield ("on", problem) or ("of", estimator), the packages that it needs, and its runs."""
    objective_of = {spec.problem.id: spec.problem.objective for spec in results.specs}
    for name, part in runs_made.groupby("problem", sort=False):
        facts = [json.loads(text or "null") or {} for text in set(part["describe"])]
        modules = {module for fact in facts for module in fact.get("modules", ())}
        yield "on", str(name), _packages(objectives, objective_of[str(name)], modules), part
    for name, part in runs_made.groupby("estimator_name", sort=False):
        yield "of", str(name), _packages(estimators, str(name)), part


def _packages(registry: Registry, name: str, modules: Iterable[str] = ()) -> list[str]:
    try:
        return packages(registry[name], modules)
    except BadInput:  # a file that is gone, imported data
        return []


def _line(package: str, about: Mapping[str, list[str]], versions: set[str], here: str) -> str:
    scope = " and ".join(
        f"{kind} {', '.join(names[:MANY])}" + (", ..." if len(names) > MANY else "")
        for kind, names in about.items()
    )
    line = f"{package}: runs {scope} were made with {' and '.join(sorted(versions))}"
    if here:
        line += f"; here is {here}, and --fresh makes all runs with that"
    return f"{line}. Other versions may give other results."
