"""The users' files and packages that the process of a run loads.

Files and packages change the state of a process when they are loaded, such as PyTorch's default
type, and so do runs. A process therefore loads no more than its runs need, and code of a user runs
in a fork that makes one run: so a result depends on its run alone.
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
    """The modules and files that the process of a run loads."""

    files: tuple[str, ...]
    packages: tuple[str, ...]
    alone: bool  # True if each run gets a fork of its own
    isolated: bool  # True if the memory of the run is measured


def needs_of(spec: RunSpec) -> Needs:
    """Return the needs of a run, from the entries of its objective and its estimator."""
    names = [(objectives, spec.problem.objective), (estimators, spec.estimator.entry)]
    files = {file for _, name in names if (file := user_file.file_of(name))}
    entries = [entry for pair in names if (entry := _entry(*pair))]
    packages = {module for e in entries for module in (*e.in_worker, e.needs) if module}
    isolated = any(e.isolate for e in entries)
    alone = isolated or bool(files) or _names_code(spec.settings)
    return Needs(tuple(sorted(files)), tuple(sorted(packages)), alone, isolated)


def _entry(registry: Registry, name: str) -> Entry | None:
    """Return an entry; None if there is none, which the run reports."""
    try:
        return registry[name]
    except BadInput:
        return None


def _names_code(settings: dict[str, Any]) -> bool:
    """Return True if a setting names code, such as file.py:function or module:Class."""
    return any(isinstance(value, str) and ":" in value for value in settings.values())
