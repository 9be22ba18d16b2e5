"""Baselines: the tuned settings of an estimator on a suite, and the number of trials."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from zobench.errors import BadInput
from zobench.harness.data import data_folder
from zobench.harness.toml_file import TomlFile, read_text
from zobench.registry import check_settings, estimators

KEPT = 64  # baselines that a process keeps in memory
EVERY = "*"  # the group of settings for every problem of a suite that has no group of its own


class Baseline:
    """The file of one estimator on one suite: a table [settings.<group>] per group of problems.

    The table [settings."*"] is for groups without one of their own. Without a file, every group is
    without tuned settings.
    """

    def __init__(self, path: Path, text: str | None, name: str) -> None:
        """Parse `text`, the content of `path`; None: there is no such file. Raises BadInput."""
        self.name = name  # of the estimator: registered, or /full/path.py:name
        self._file = None if text is None else TomlFile(path, text)
        self._settings: dict[str, dict[str, Any]] = {}  # by group, checked

    def settings(self, group: str) -> dict[str, Any]:
        """Return the tuned settings for a group of problems; empty without any.

        Raises:
            BadInput: the file is malformed, or the estimator has no such settings.
        """
        if group not in self._settings:
            self._settings[group] = self._checked(group)
        return self._settings[group]

    def trials(self, group: str) -> int | None:
        """Return how many settings were tried for a group; None if it has no tuned settings."""
        group = self._named(group)
        if self._file is None or group not in self._table("settings"):
            return None
        record = self._file.typed(self._table("record").get(group, {}), "table", "record", group)
        return self._file.typed(record.get("trials", 0), "whole number", "record", group, "trials")

    def costs(self, group: str) -> tuple[str, list[float]]:
        """Return the goal of a group's search, and the costs of its trials, the preferred first.

        The defaults are no trial. A search of zobench 0.2 or before was for the area: the cost is
        1 - log_area, and the defaults were a trial.

        Raises:
            BadInput: the record is malformed.
        """
        if self._file is None:
            return "", []
        group = self._named(group)
        keys = "record", group
        record = self._file.typed(self._table("record").get(group, {}), "table", *keys)
        tried = self._file.typed(record.get("tried", []), "list", *keys, "tried")
        goal = self._file.typed(record.get("for", "area"), "text", *keys, "for")
        try:
            if "for" not in record:
                return goal, sorted(1 - float(trial["score"]) for trial in tried)
            costs = [[float(cost) for cost in trial["costs"]] for trial in tried[1:]]
            ranked = sorted(costs, key=lambda of_rounds: (-len(of_rounds), of_rounds[-1]))
            return goal, [of_rounds[-1] for of_rounds in ranked]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise self._file.bad("a trial lacks its costs", *keys, "tried") from error

    def _checked(self, group: str) -> dict[str, Any]:
        group = self._named(group)
        if self._file is None:
            return {}
        table = self._file.typed(self._table("settings").get(group, {}), "table", "settings", group)
        try:
            return check_settings(estimators[self.name], table)
        except BadInput as error:
            raise self._file.bad(error, "settings", group) from error

    def _named(self, group: str) -> str:
        """Return the group whose tables hold for a group: its own, else EVERY."""
        has_own = self._file is None or group in self._table("settings")
        return group if has_own else EVERY

    def _table(self, key: str) -> dict[str, Any]:
        assert self._file is not None
        return self._file.typed(self._file.data.get(key, {}), "table", key)


def baseline_file(suite: str, name: str, folder: Path | None = None) -> Path:
    """Return the path of a baseline, whether it exists or not."""
    path, colon, inner = name.rpartition(":")
    stem = f"{Path(path).stem}-{inner}" if colon else name
    return (folder or data_folder("baselines")) / suite / f"{stem}.toml"


def read_baseline(suite: str, name: str, folder: Path | None = None) -> Baseline:
    """Read the baseline of an estimator on a suite; a content is parsed once per process.

    Raises:
        BadInput: the file cannot be read or is not TOML.
    """
    path = baseline_file(suite, name, folder)
    text = read_text(path) if path.is_file() else None
    return _parsed(path, text, name, estimators[name].version)


@lru_cache(KEPT)
def _parsed(path: Path, text: str | None, name: str, version: str) -> Baseline:
    """Parse a baseline; its settings are checked against that version of the estimator."""
    return Baseline(path, text, name)
