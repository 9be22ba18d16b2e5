"""Reading IOHprofiler's data: JSON files and the .dat files that they name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zobench.errors import BadInput
from zobench.interchange.curve import Curve
from zobench.interchange.numbering import COCO, is_bbob
from zobench.interchange.read_rows import ioh_runs
from zobench.interchange.text import DEEPEST, bad, inside, label, short, whole

SIZE = 2**27  # characters of a JSON file


def read_ioh(path: Path, folder: Path) -> list[Curve]:
    """The runs of one JSON file that lies in `folder`. Raises BadInput with file and line."""
    text = _text(path)
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError, ValueError) as error:
        raise bad(path, getattr(error, "lineno", 1), f"no JSON: {error}") from error

    def part(of: Any, key: str, kind: type) -> Any:
        line = _line(text, key)
        if not isinstance(of, dict) or key not in of:
            raise bad(path, line, f"{key!r} is missing")
        if not isinstance(of[key], kind):
            raise bad(path, line, f"{key!r} is of another type: {short(of[key])}")
        return of[key]

    if part(data, "maximization", bool):
        raise bad(path, _line(text, "maximization"), "data of a maximization are not comparable")
    function = whole(
        path, _line(text, "function_id"), data.get("function_id"), "function_id", 0, DEEPEST
    )
    algorithm = label(part(part(data, "algorithm", dict), "name", str))
    suite, name = label(part(data, "suite", str)), label(part(data, "function_name", str))
    if is_bbob(suite, function, name):
        suite, name = COCO[0], f"f{function}"
    curves = []
    for scenario in part(data, "scenarios", list):
        named = part(scenario, "path", str)
        line = _line(text, named) if named in text else _line(text, "path")
        dimension = whole(path, line, part(scenario, "dimension", int), "dimension", 1, DEEPEST)
        file = inside(folder, path.parent, named, line, path)
        if file.suffix != ".dat":
            raise bad(path, line, f"data are read from .dat files, not from {file.name}")
        listed, runs = part(scenario, "runs", list), ioh_runs(file)
        if len(listed) != len(runs):
            said = f"{len(listed)} runs are listed, but {file.name} holds {len(runs)}"
            raise bad(path, line, said)
        for run, (queries, gaps) in zip(listed, runs):
            instance = whole(path, line, part(run, "instance", int), "an instance", 0, DEEPEST)
            spent = whole(path, line, part(run, "evals", int), "evals", 0)
            length = max(spent, int(queries[-1]))
            place = (suite, function, name, dimension, instance)
            curves.append(Curve(algorithm, *place, queries, gaps, length))
    return curves


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            text = file.read(SIZE)
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from error
    if len(text) == SIZE:
        raise BadInput(f"{path} is longer than {SIZE:,} characters")
    return text


def _line(text: str, word: str) -> int:
    """The line where `word` first stands, or the first."""
    place = text.find(word)
    return text.count("\n", 0, place) + 1 if place >= 0 else 1
