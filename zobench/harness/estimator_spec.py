"""Estimators as users type them: parsed, and given all of their settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from zobench.errors import BadInput, check_printable
from zobench.harness.baseline import Baseline
from zobench.harness.examine import refused, version_with
from zobench.registry import check_settings, estimators

EMPTY: Mapping[str, Any] = MappingProxyType({})
IMPORTED = "imported"  # version of what is not run here: its runs are data of another tool


@dataclass(frozen=True, kw_only=True)
class EstimatorSpec:
    """An estimator as typed, its entry in the registry, and the settings to build it with."""

    text: str  # the estimator as typed, "mezo:lr=1e-3": its name in tables
    entry: str  # the registered name, "mezo", or /full/path.py:name
    version: str
    settings: dict[str, Any]  # as typed; after `settled`, all of them
    settings_from: dict[str, str]  # setting -> "user", "baseline", "suite" or "default"

    @property
    def imported(self) -> bool:
        """True if its runs were made by another tool."""
        return self.version == IMPORTED


def identity(name: str) -> str:
    """Return the name that seeds and keys use: a file without its folder, so that it can move."""
    path, colon, inner = name.rpartition(":")
    return f"{Path(path).name}:{inner}" if colon else name


def parse_estimator(text: str) -> EstimatorSpec:
    """Parse `name`, `name:lr=1e-3,n=4`, `path/file.py:Name` or `path/file.py:Name:lr=1`.

    A value may be a schedule, whose commas end no setting: `name:lr=cosine(1e-3,2000),n=4`.

    Raises:
        BadInput: the name or a setting does not exist, or a value has a wrong type.
    """
    check_printable(text, "an estimator")
    if text.endswith(".py"):
        raise BadInput(f"{text!r}: say which estimator of the file, as in '{text}:Name'")
    name, typed = split_settings(text)
    path, colon, inner = name.partition(".py:")
    if colon:
        name = f"{Path(path + '.py').resolve()}:{inner}"
    entry = estimators[name]
    settings = check_settings(entry, typed)
    return EstimatorSpec(
        text=text,
        entry=name,
        version=entry.version,
        settings=settings,
        settings_from=dict.fromkeys(settings, "user"),
    )


def split_settings(text: str) -> tuple[str, dict[str, str]]:
    """Split `name:lr=1e-3,n=4` or `path/file.py:Name:lr=1` into the name and its settings.

    Raises:
        BadInput: a setting has no value, or is given twice.
    """
    path, colon, rest = text.partition(".py:")
    name, colon_after, settings_text = (rest if colon else text).partition(":")
    if name and colon_after and not settings_text:
        raise BadInput(f"{text!r}: no setting after the colon; write {text}name=value")
    typed: dict[str, str] = {}
    for item in _items(settings_text) if settings_text else ():
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not key:
            raise BadInput(f"{text!r}: {item!r} is not a setting; write name=value")
        if key in typed:
            raise BadInput(f"{text!r}: setting {key!r} is given twice")
        typed[key] = value
    return (f"{path}.py:{name}" if colon else name), typed


def _items(text: str) -> list[str]:
    """Split at commas, except those in parentheses: lr=cosine(1e-3, 2000),n=4."""
    items, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and depth <= 0:
            items.append("")
        else:
            items[-1] += character
    return items


def settled(
    spec: EstimatorSpec, baseline: Baseline | None, group: str, of_suite: Mapping[str, Any] = EMPTY
) -> EstimatorSpec:
    """Return `spec` with all settings: the user's, else the baseline's, the suite's, the default.

    Args:
        spec: the estimator with the settings that the user typed.
        baseline: the tuned settings of the estimator on the suite; None: use none.
        group: the group of problems.
        of_suite: the settings that the suite gives the estimator.

    Raises:
        BadInput: the baseline is malformed.
    """
    entry = estimators[spec.entry]
    tuned = baseline.settings(group) if baseline else {}
    settings = entry.defaults | dict(of_suite) | tuned | spec.settings
    origin = dict.fromkeys(entry.defaults, "default") | dict.fromkeys(of_suite, "suite")
    origin |= dict.fromkeys(tuned, "baseline")
    return replace(
        spec,
        version=version_with(entry, settings),
        settings=settings,
        settings_from=origin | spec.settings_from,
    )


def check_built(specs: Iterable[EstimatorSpec]) -> None:
    """Build each distinct estimator once, so that settings that cannot be end no run half-way.

    Any other fault is left to the run: a package that is missing here, for example.

    Args:
        specs: estimators with all settings, as `settled` returns them.

    Raises:
        BadInput: an estimator refuses its settings.
    """
    for spec in {(spec.entry, repr(spec.settings)): spec for spec in specs}.values():
        if fault := refused(estimators[spec.entry], spec.settings):
            raise BadInput(fault)
