"""Reading IOHprofiler's data: JSON files and the .dat files that they name."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zobench.errors import BadInput
from zobench.interchange.curve import Curve
from zobench.interchange.listed import Entry, Left, finished
from zobench.interchange.numbering import COCO
from zobench.interchange.read_rows import ioh_runs
from zobench.interchange.text import DEEPEST, bad, inside, label, real, short, whole

SIZE = 2**27  # characters of a JSON file


def read_ioh(path: Path, folder: Path, left: Left) -> list[Curve]:
    """The runs of one JSON file that lies in `folder`; `left` takes runs that cannot be read.

    Raises BadInput, with file and line, where the file itself is not one.
    """
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
    if suite.lower() == COCO[0]:
        suite, name = COCO[0], f"f{function}"
    curves = []
    for scenario in part(data, "scenarios", list):
        try:
            named = part(scenario, "path", str)
            line = _line(text, named) if named in text else _line(text, "path")
            dimension = whole(path, line, part(scenario, "dimension", int), "dimension", 1, DEEPEST)
            file = inside(folder, path.parent, named, line, path)
            if file.suffix != ".dat":
                raise bad(path, line, f"data are read from .dat files, not from {file.name}")
            entries = [_entry(path, line, run, part) for run in part(scenario, "runs", list)]
            runs = ioh_runs(file)
        except BadInput as error:
            left.fault(error)
            continue
        found = []
        for entry, rows in finished((path, line), entries, (file, runs), _agree, left):
            place = (suite, function, name, dimension, entry.instance)
            found.append(Curve(algorithm, *place, rows.queries, rows.gaps, entry.evaluations))
        curves += left.once(found, file)
    return curves


def _entry(path: Path, line: int, run: Any, part: Callable[..., Any]) -> Entry:
    instance = whole(path, line, part(run, "instance", int), "an instance", 0, DEEPEST)
    spent = whole(path, line, part(run, "evals", int), "evals", 0)
    best = run.get("best")
    low = best.get("y") if isinstance(best, dict) else None
    return Entry(instance, spent, math.nan if low is None else real(path, line, low, "best y"))


def _agree(listed: float, gap: float) -> bool:
    """Is the best y of the JSON that of the rows, which have ten decimals?"""
    return math.isnan(listed) or math.isclose(listed, gap, rel_tol=1e-9, abs_tol=1e-10)


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
