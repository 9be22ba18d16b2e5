"""What must be loaded for a run: users' files, packages. Runs share only what all of them need.

State of a process, such as PyTorch's default type, is changed by files and packages when they are
loaded, and by runs. So a process loads no more than its runs need, and what is a user's own code
runs in a fork that makes one run: then a result depends on its run alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zobench import user_file
from zobench.errors import BadInput
from zobench.harness.plan import RunSpec
from zobench.registry import Entry, Registry, estimators, objectives


@dataclass(frozen=True)
class Needs:
    """What the process of a run has loaded; each run gets a fork of it if it is `alone`."""

    files: tuple[str, ...]
    packages: tuple[str, ...]
    alone: bool
    isolated: bool  # is its memory measured?


def needs_of(spec: RunSpec) -> Needs:
    """The needs of a run, from the registered entries of its objective and its estimator."""
    names = [(objectives, spec.problem.objective), (estimators, spec.estimator.entry)]
    files = {file for _, name in names if (file := user_file.file_of(name))}
    found = [entry for pair in names if (entry := _entry(*pair))]
    packages = {module for e in found for module in (*e.in_worker, e.needs) if module}
    isolated = any(e.isolate for e in found)
    alone = isolated or bool(files) or _names_code(spec.settings)
    return Needs(tuple(sorted(files)), tuple(sorted(packages)), alone, isolated)


def _entry(registry: Registry, name: str) -> Entry | None:
    """None where there is none: the run says why."""
    try:
        return registry[name]
    except BadInput:
        return None


def _names_code(settings: dict[str, Any]) -> bool:
    """Does a setting name code outside the registry, as file.py:function or module:Class do?"""
    return any(isinstance(value, str) and ":" in value for value in settings.values())
