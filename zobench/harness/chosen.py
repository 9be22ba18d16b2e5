"""An estimator as chosen for a run: its name, and where each of its settings comes from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zobench.errors import BadInput, check_printable
from zobench.harness.data import data_folder
from zobench.harness.examine import refused, version_with
from zobench.harness.toml_file import TomlFile
from zobench.registry import check_settings, estimators

IMPORTED = "imported"  # version of algorithms whose runs are data: what is not run has no other


@dataclass(frozen=True)
class EstimatorSpec:
    """An estimator as typed, its entry in the registry, and the settings to build it with."""

    text: str  # the estimator as typed, "mezo:lr=1e-3": its name in tables
    entry: str  # the registered name, "mezo", or /full/path.py:name
    version: str
    settings: dict[str, Any]  # as typed; after `settled`, all of them
    settings_from: dict[str, str]  # setting -> "user", "baseline" or "default"

    @property
    def imported(self) -> bool:
        """Were its runs made elsewhere, by another tool?"""
        return self.version == IMPORTED


def identity(name: str) -> str:
    """The name that seeds and keys use: a file without its folder, so that results can move."""
    path, colon, inner = name.rpartition(":")
    return f"{Path(path).name}:{inner}" if colon else name


def parse_estimator(text: str) -> EstimatorSpec:
    """`name`, `name:lr=1e-3,n=4`, `path/file.py:Name` or `path/file.py:Name:lr=1`.

    A value may be a schedule, whose commas end no setting: `name:lr=cosine(1e-3,2000),n=4`. Raises
    BadInput on an unknown name or setting, or a value of a wrong type.
    """
    check_printable(text, "an estimator")
    if text.endswith(".py"):
        raise BadInput(f"{text!r}: say which estimator of the file, as in '{text}:Name'")
    path, colon, rest = text.partition(".py:")
    name, settings_follow, listed = (rest if colon else text).partition(":")
    if colon:
        name = f"{Path(path + '.py').resolve()}:{name}"
    entry = estimators[name]
    if settings_follow and not listed:
        raise BadInput(f"{text!r}: no setting after the colon; write {text}name=value")
    typed: dict[str, str] = {}
    for item in _items(listed) if listed else ():
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not key:
            raise BadInput(f"{text!r}: {item!r} is not a setting; write name=value")
        if key in typed:
            raise BadInput(f"{text!r}: setting {key!r} is given twice")
        typed[key] = value
    settings = check_settings(entry, typed)
    return EstimatorSpec(text, name, entry.version, settings, dict.fromkeys(settings, "user"))


def _items(listed: str) -> list[str]:
    """The parts between commas, but for commas in parentheses: lr=cosine(1e-3, 2000),n=4."""
    items, depth = [""], 0
    for sign in listed:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth <= 0:
            items.append("")
        else:
            items[-1] += sign
    return items


def baseline_file(suite: str, name: str, folder: Path | None = None) -> Path:
    """Where the tuned settings of an estimator on a suite are kept, whether they exist or not."""
    path, colon, inner = name.rpartition(":")
    stem = f"{Path(path).stem}-{inner}" if colon else name
    return (folder or data_folder("baselines")) / suite / f"{stem}.toml"


def baseline_settings(
    suite: str, name: str, group: str, folder: Path | None = None
) -> dict[str, Any]:
    """The tuned settings for a group of problems; empty where none are kept.

    A file holds a table [settings.<group>] for each group. Raises BadInput on a malformed file or
    on settings that the estimator does not have.
    """
    path = baseline_file(suite, name, folder)
    if not path.is_file():
        return {}
    file = TomlFile(path)
    tables = file.typed(file.data.get("settings", {}), "table", "settings")
    table = file.typed(tables.get(group, {}), "table", "settings", group)
    try:
        return check_settings(estimators[name], table)
    except BadInput as error:
        raise file.bad(error, "settings", group) from error


def settled(
    spec: EstimatorSpec,
    suite: str,
    group: str,
    baselines: bool = True,
    folder: Path | None = None,
) -> EstimatorSpec:
    """All settings: the user's, else the baseline's, else the default.

    The estimator is built once with them: raises BadInput, before any run, for settings that
    cannot be. Any other fault is the run's to report: a package that is missing here, say.
    """
    entry = estimators[spec.entry]
    defaults = entry.defaults
    tuned = baseline_settings(suite, spec.entry, group, folder) if baselines else {}
    origin = dict.fromkeys(defaults, "default") | dict.fromkeys(tuned, "baseline")
    settings = defaults | tuned | spec.settings
    if fault := refused(entry, settings):
        raise BadInput(fault)
    version = version_with(entry, settings)
    return replace(
        spec, version=version, settings=settings, settings_from=origin | spec.settings_from
    )
