"""Reader of IOHprofiler's data: JSON files and the .dat files that they name."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from zobench.errors import BadInput
from zobench.interchange.curve import Curve
from zobench.interchange.listed import IndexEntry, Omissions, matched_curves
from zobench.interchange.numbering import COCO
from zobench.interchange.read_rows import ioh_runs
from zobench.interchange.text import DEEPEST, bad, file_inside, label, real, short, whole_number

SIZE = 2**27  # characters of a JSON file


def read_ioh(path: Path, folder: Path, omissions: Omissions) -> list[Curve]:
    """Read the runs of one JSON file in a folder; `omissions` collects what cannot be read.

    Raises:
        BadInput: the file is not one of IOHprofiler; with file and line.
    """
    text = _text(path)
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError, ValueError) as error:
        raise bad(path, getattr(error, "lineno", 1), f"no JSON: {error}") from error

    def part(table: Any, key: str, kind: type) -> Any:
        line = _line(text, key)
        if not isinstance(table, dict) or key not in table:
            raise bad(path, line, f"{key!r} is missing")
        if not isinstance(table[key], kind):
            raise bad(path, line, f"{key!r} is of another type: {short(table[key])}")
        return table[key]

    if part(data, "maximization", bool):
        raise bad(path, _line(text, "maximization"), "data of a maximization are not comparable")
    function = whole_number(
        path, _line(text, "function_id"), data.get("function_id"), "function_id", 0, DEEPEST
    )
    estimator = label(part(part(data, "algorithm", dict), "name", str))
    suite, name = label(part(data, "suite", str)), label(part(data, "function_name", str))
    if suite.lower() == COCO[0]:
        suite, name = COCO[0], f"f{function}"
    curves = []
    for scenario in part(data, "scenarios", list):
        try:
            file_name = part(scenario, "path", str)
            line = _line(text, file_name) if file_name in text else _line(text, "path")
            dimension = whole_number(
                path, line, part(scenario, "dimension", int), "dimension", 1, DEEPEST
            )
            file = file_inside(folder, path.parent, file_name, line, path)
            if file.suffix != ".dat":
                raise bad(path, line, f"data are read from .dat files, not from {file.name}")
            entries = [_entry(path, line, run, part) for run in part(scenario, "runs", list)]
            runs = ioh_runs(file)
        except BadInput as error:
            omissions.fault(error)
            continue
        make = partial(
            Curve, estimator=estimator, suite=suite, function=function, name=name,
            dimension=dimension,
        )  # fmt: skip
        curves += matched_curves((path, line), entries, (file, runs), _agree, omissions, make)
    return curves


def _entry(path: Path, line: int, run: Any, part: Callable[..., Any]) -> IndexEntry:
    instance = whole_number(path, line, part(run, "instance", int), "an instance", 0, DEEPEST)
    spent = whole_number(path, line, part(run, "evals", int), "evals", 0)
    best = run.get("best")
    low = best.get("y") if isinstance(best, dict) else None
    return IndexEntry(instance, spent, math.nan if low is None else real(path, line, low, "best y"))


def _agree(index_gap: float, gap: float) -> bool:
    """Return True if the best y of the JSON is that of the rows, which have ten decimals."""
    return math.isnan(index_gap) or math.isclose(index_gap, gap, rel_tol=1e-9, abs_tol=1e-10)


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
    """Return the number of the first line with `word`, or 1."""
    index = text.find(word)
    return text.count("\n", 0, index) + 1 if index >= 0 else 1
