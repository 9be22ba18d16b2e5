"""Targets: the score values that a run should reach, as a list or by a rule.

A score reaches a target if it is at most its value, exactly. cocopp also counts a gap of up to
1e-12 above a target, so it may count more successes on the same runs, mainly near 1e-8.
"""

from __future__ import annotations

import math
from typing import Any

from zobench.harness.toml_file import TomlFile

FARTHEST, MOST = 300, 100_000  # exponent of a target, and number of targets by a rule
FORMS = "a list, { log10, step }, or { start, reference, fractions }"


def read_targets(file: TomlFile, value: Any, *keys: str | int) -> tuple[tuple[float, ...], str]:
    """Read targets: from the easiest to the hardest, and how they were chosen.

    There are three forms: a list of score values; { log10 = [2, -8], step = -0.2 } for 10^2,
    10^1.8, ..., 10^-8; { start, reference, fractions } for start - fraction * (start - reference).

    Raises:
        BadInput: with the file's line.
    """
    derivation = ""
    if isinstance(value, dict) and "log10" in value:
        file.only(value, ("log10", "step", "how"), *keys)
        numbers, derivation = _powers(file, value, *keys), value.get("how", "")
    elif isinstance(value, dict):
        file.only(value, ("start", "reference", "fractions", "how", "log10", "step"), *keys)
        numbers, derivation = _fractions(file, value, *keys), value.get("how", "")
    elif isinstance(value, list):
        numbers = _numbers(file, value, *keys)
    else:
        raise file.bad(f"targets are {FORMS}, not {value!r}", *keys)
    if not numbers:
        raise file.bad(f"no targets: give {FORMS}", *keys)
    if not all(map(math.isfinite, numbers)):
        raise file.bad("a target is not finite", *keys)
    if len(set(numbers)) < len(numbers):
        raise file.bad("a target is given twice", *keys)
    return tuple(sorted(numbers, reverse=True)), str(derivation)


def _powers(file: TomlFile, value: dict[str, Any], *keys: str | int) -> list[float]:
    ends = _numbers(file, file.typed(value["log10"], "list", *keys, "log10"), *keys, "log10")
    if len(ends) != 2:
        raise file.bad("log10 takes the first and the last exponent, such as [2, -8]", *keys)
    step = file.typed(value.get("step", -1), "number", *keys, "step")
    if max(map(abs, ends)) > FARTHEST:
        raise file.bad(f"an exponent is from -{FARTHEST} to {FARTHEST}", *keys, "log10")
    first, last = ends
    steps = (last - first) / step if step else -1.0
    if steps > MOST:
        raise file.bad(f"steps of {step} give more than {MOST:,} targets", *keys, "step")
    if not steps >= 0 or not math.isfinite(step) or abs(steps - round(steps)) > 1e-6:
        raise file.bad(f"steps of {step} do not lead from {first:g} to {last:g}", *keys, "step")
    return [10.0 ** round(first + k * step, 9) for k in range(round(steps) + 1)]


def _fractions(file: TomlFile, value: dict[str, Any], *keys: str | int) -> list[float]:
    for key in ("start", "reference", "fractions"):
        if key not in value:
            raise file.bad(f"targets lack {key!r}: give {FORMS}", *keys)
    start = file.typed(value["start"], "number", *keys, "start")
    reference = file.typed(value["reference"], "number", *keys, "reference")
    if not reference < start:
        raise file.bad(f"reference {reference} is not below start {start}", *keys, "reference")
    fractions = file.typed(value["fractions"], "list", *keys, "fractions")
    return [start - f * (start - reference) for f in _numbers(file, fractions, *keys, "fractions")]


def _numbers(file: TomlFile, values: list[Any], *keys: str | int) -> list[float]:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise file.bad(f"{value!r} is not a number", *keys)
        if not math.isfinite(value):
            raise file.bad(f"{value!r} is not finite", *keys)
    return [float(value) for value in values]
