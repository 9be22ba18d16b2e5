"""Suite files: TOML read into a Suite; every error names the file and the line."""

from __future__ import annotations

import itertools
import math
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from string import Formatter
from typing import Any

from zobench.errors import BadInput, unknown
from zobench.harness.data import data_folder
from zobench.harness.examine import version_with
from zobench.harness.suite import ProblemSpec, Suite
from zobench.harness.targets import read_targets
from zobench.harness.toml_file import Keys, TomlFile
from zobench.registry import Entry, check_settings, estimators, objectives
from zobench.user_file import is_file

SHARED = {  # keys that the top level may set for every problem -> kind
    "budget": "whole number",
    "repetitions": "whole number",
    "time_limit": "number",
    "memory_limit": "number",
    "threads": "whole number",
    "score_ratio": "number",
    "scored": "text",
    "targets": "targets",
    "instances": "numbers",
}
TOP = ("name", "version", "description", "problem", "estimators", *SHARED)
OWN = ("id", "objective", "settings", "expand", "group", "tuned_on", *SHARED)
MOST = 100_000  # values in a span such as "1-5", and problems of one table
REPETITIONS = 5  # if neither the suite nor the instances say how many


@dataclass(frozen=True)
class SuiteSource:
    """The positions of a suite's problems in its file, for errors after reading."""

    file: TomlFile
    table_of: dict[str, int]  # id of a problem -> index of its [[problem]]

    def problem_error(self, problem: ProblemSpec, instance: int | None, fault: str) -> BadInput:
        """Return the error for a problem that its objective refuses, at the setting it is about.

        Args:
            problem: the problem.
            instance: the instance that was built.
            fault: what the objective says. The line is that of the setting which it names, or else
                whose value it states, or else that of the problem.
        """
        message = f"problem {problem.id!r}: {fault}"
        if problem.id not in self.table_of:
            return BadInput(f"{self.file.path}: {message}")
        at = ("problem", self.table_of[problem.id])
        table = self.file.data["problem"][at[1]]
        keys_of: dict[str, Keys] = {
            key: (*at, part, key) for part in ("settings", "expand") for key in table.get(part, ())
        }
        settings = dict(problem.settings)
        if instance is not None:
            settings["instance"] = instance
            keys_of["instance"] = (*at, "instances") if "instances" in table else ("instances",)
        words = set(re.findall(r"[\w.+-]*\w", fault))
        candidates = [
            *(key for key in keys_of if words & {key, f"{key}s"}),
            *(key for key in keys_of if str(settings.get(key)) in words),
        ]
        return self.file.bad(message, *(keys_of[candidates[0]] if candidates else at))


def suite_files() -> dict[str, Path]:
    """Return the suites that ship with zobench: name -> file."""
    return {path.stem: path for path in sorted(data_folder("suites").glob("*.toml"))}


def description(path: Path) -> str:
    """Return the description in a suite file. Raises BadInput if it cannot be read."""
    file = TomlFile(path)
    return file.typed(file.data.get("description", ""), "text", "description")


def load(name_or_path: str | Path) -> Suite:
    """Read a suite that ships with zobench, by its name, or a TOML file, by its path.

    Raises:
        BadInput: there is no such suite, or its file has a fault, with file and line.
    """
    text = str(name_or_path)
    if text.endswith(".toml") or "/" in text:
        path = Path(text)
        if os.path.isdir(path):
            raise BadInput(f"{text!r} is a folder; a suite is one .toml file")
        if not is_file(path):
            raise BadInput(f"no suite file {text!r}; known suites: {', '.join(suite_files())}")
        return replace(read_suite(path), file=str(path.resolve()))
    files = suite_files()
    if text not in files:
        raise unknown("suite", text, files)
    return read_suite(files[text])


def read_suite(path: Path) -> Suite:
    """Read the suite of a TOML file. Raises BadInput."""
    file = TomlFile(path)
    top = file.data
    file.only(top, TOP)
    for key in ("name", "version", "problem"):
        if key not in top:
            raise file.bad(f"the suite lacks {key!r}")
    tables = file.typed(top["problem"], "list", "problem")
    problems: list[ProblemSpec] = []
    table_of: dict[str, int] = {}
    for index, table in enumerate(tables):
        for problem in _expand(file, file.typed(table, "table", "problem", index), index):
            if not problem.id.strip():
                raise file.bad(
                    f"a problem's id is a word, not {problem.id!r}", "problem", index, "id"
                )
            if problem.id in table_of:
                raise file.bad(f"two problems have the id {problem.id!r}", "problem", index, "id")
            problems.append(problem)
            table_of[problem.id] = index
    if not problems:
        raise file.bad("the suite has no [[problem]]")
    words = {k: file.typed(top.get(k, ""), "text", k) for k in ("name", "version", "description")}
    if not re.fullmatch(r"\w[\w.-]*", words["name"]):  # results and baselines lie in a folder of it
        raise file.bad(f"a suite's name has letters, digits, _, - and ., not {words['name']!r}",
                       "name")  # fmt: skip
    given = _estimators(file)
    source = SuiteSource(file, table_of)
    return Suite(**words, problems=tuple(problems), estimators=given, source=source)


def _estimators(file: TomlFile) -> dict[str, dict[str, Any]]:
    """Return what the tables [estimators.NAME] give: name -> checked settings. Raises BadInput."""
    given = {}
    for name in file.typed(file.data.get("estimators", {}), "table", "estimators"):
        at = ("estimators", name)
        entry_name = _resolve(file, name)
        try:
            entry = estimators[entry_name]
        except BadInput as error:
            raise file.bad(error, *at) from error
        settings = file.typed(file.data["estimators"][name], "table", *at)
        given[entry_name] = _check(file, entry, settings, *at)
    return given


def _expand(file: TomlFile, table: dict[str, Any], index: int) -> list[ProblemSpec]:
    """Return the problems of a [[problem]] table: one, or one per combination of `expand`."""
    at = ("problem", index)
    file.only(table, OWN, *at)
    for key in ("id", "objective"):
        if key not in table:
            raise file.bad(f"the problem lacks {key!r}", *at)
    settings = file.typed(table.get("settings", {}), "table", *at, "settings")
    lists = {}
    for name, values in file.typed(table.get("expand", {}), "table", *at, "expand").items():
        is_span = isinstance(values, str)
        lists[name] = _span(file, values, *at, "expand", name) if is_span else values
        if not isinstance(lists[name], list) or not lists[name]:
            raise file.bad(f"expand needs values for {name!r}", *at, "expand", name)
        if name in settings:
            raise file.bad(f"{name!r} is in settings and in expand", *at, "expand", name)
    if (count := math.prod(map(len, lists.values()))) > MOST:
        raise file.bad(f"expand gives {count:,} problems, of at most {MOST:,}", *at, "expand")
    problems = []
    for values in itertools.product(*lists.values()):
        expansion = dict(zip(lists, values))
        words = {}
        for key in ("id", "group"):
            pattern = file.typed(table.get(key, ""), "text", *at, key)
            try:
                words[key] = _filled(pattern, expansion)
            except (KeyError, ValueError, TypeError, IndexError) as error:
                raise file.bad(
                    f"{key} {pattern[:60]!r} does not fit expand: {error}", *at, key
                ) from error
        problems.append(_problem(file, table, index, expansion, **words))
    return problems


def _filled(pattern: str, expansion: dict[str, Any]) -> str:
    """Replace each {name} or {name:format} of a pattern by its value.

    Raises:
        KeyError, ValueError, TypeError, IndexError: a field is of another form, or does not fit its
            value.
    """
    for _, name, form, _ in Formatter().parse(pattern):
        if re.search(r"[.\[\]]", name or ""):
            raise ValueError(f"{{{name}}} has more than the name of a setting")
        if re.search(r"[{}]", form or ""):
            raise ValueError(f"the format {form!r} has a field of its own")
        if re.search(r"\d{4}", form or ""):
            raise ValueError(f"the format {form!r} asks for more than 999 characters")
    return pattern.format(**expansion)


def _problem(
    file: TomlFile,
    table: dict[str, Any],
    index: int,
    expansion: dict[str, Any],
    id: str,
    group: str,
) -> ProblemSpec:
    at = ("problem", index)
    name = _resolve(file, file.typed(table["objective"], "text", *at, "objective"))
    try:
        entry = objectives[name]
    except BadInput as error:
        raise file.bad(error, *at, "objective") from error
    settings = table.get("settings", {}) | expansion
    shared, derivation = _shared(file, table, index)
    if "instances" in shared:
        _check(file, entry, {"instance": 1}, *at, "instances")
        settings.pop("instance", None)
    settings = entry.defaults | _check(file, entry, settings, *at, "settings")
    if "instances" in shared:
        del settings["instance"]
    version = version_with(entry, settings)
    tuned_on = file.typed(table.get("tuned_on", ""), "text", *at, "tuned_on")
    if "tuned_on" in table and tuned_on not in suite_files():
        raise file.bad(unknown("suite", tuned_on, suite_files()), *at, "tuned_on")
    return ProblemSpec(
        id=id,
        objective=name,
        version=version,
        settings=settings,
        group=group or entry.name,
        how=derivation,
        tuned_on=tuned_on,
        **shared,
    )


def _check(file: TomlFile, entry: Entry, settings: dict[str, Any], *keys: str | int) -> dict:
    """Check the settings of an entry one by one, so that an error has its line."""
    checked = {}
    for key, value in settings.items():
        try:
            checked |= check_settings(entry, {key: value})
        except BadInput as error:
            raise file.bad(error, *keys, key) from error
    return checked


def _shared(file: TomlFile, table: dict[str, Any], index: int) -> tuple[dict[str, Any], str]:
    """Return what a problem or else the top level sets, and how the targets were chosen."""
    values: dict[str, Any] = {}
    derivation = ""
    for key, kind in SHARED.items():
        source = ("problem", index) if key in table else ()
        holder = table if key in table else file.data
        if key not in holder:
            continue
        if kind == "targets":
            values[key], derivation = read_targets(file, holder[key], *source, key)
        elif kind == "numbers":
            values[key] = tuple(_span(file, holder[key], *source, key))
        else:
            values[key] = file.typed(holder[key], kind, *source, key)
            if kind != "text" and not values[key] > 0:
                raise file.bad(f"{key} must be above 0, not {values[key]}", *source, key)
    if "score_ratio" in values:
        values["score_ratio"] = float(values["score_ratio"])
        if not values["score_ratio"] > 1:
            source = ("problem", index) if "score_ratio" in table else ()
            raise file.bad(
                f"score_ratio must be above 1, not {values['score_ratio']:g}: 1.2 scores again "
                "after a fifth more queries",
                *source,
                "score_ratio",
            )
    for key in ("budget", "targets"):
        if key not in values:
            raise file.bad(f"the problem lacks {key!r}", "problem", index)
    if values.get("scored", "best") not in ("current", "best"):
        raise file.bad("scored is 'current' or 'best'", "problem", index, "scored")
    instances = values.get("instances", ())
    values.setdefault("repetitions", len(instances) or REPETITIONS)
    if instances and values["repetitions"] > len(instances):
        text = f"{values['repetitions']} repetitions, but {len(instances)} instances"
        raise file.bad(text, "problem", index, "repetitions")
    return values, derivation


def _span(file: TomlFile, value: Any, *keys: str | int) -> list[int]:
    """Read whole numbers from a list, or from text such as "1-5,71-80"."""
    if isinstance(value, list):
        return [file.typed(v, "whole number", *keys) for v in value]
    numbers: list[int] = []
    for part in str(value).split(","):
        match = re.fullmatch(r"([0-9]{1,15})(?:-([0-9]{1,15}))?", part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            raise file.bad(f"{value!r:.60} is not a list of numbers such as '1-5,71-80'", *keys)
        if len(numbers) + last - first >= MOST:
            raise file.bad(f"{value!r:.60} has more than {MOST:,} numbers", *keys)
        numbers += range(first, last + 1)
    return numbers


def _resolve(file: TomlFile, name: str) -> str:
    """Return a registered name as it is, and path.py:name with its full path.

    A relative path is one from the suite's folder, or else from the working directory.
    """
    path, colon, inner = name.rpartition(":")
    if not colon or not path.endswith(".py"):
        return name
    beside = file.path.parent / path
    return f"{(beside if is_file(beside) else Path(path)).resolve()}:{inner}"
