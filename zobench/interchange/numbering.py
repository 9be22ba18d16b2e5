"""Function numbers and gaps of problems, which the formats of COCO and IOHprofiler need."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from zobench.harness.suite import ProblemSpec

PRECISION = 1e-8  # the gap of COCO's last target
BEYOND = 201  # the first number of other functions: COCO's suites go up to 130
COUNTED = "zobench"  # the suite of functions that COCO does not number
COCO = ("bbob", "bbob-largescale")  # objectives that are functions of COCO, with its numbers
# The names in ioh of COCO's functions 1 to 24; all of their instances have the same values.
OF_IOH = (
    "Sphere", "Ellipsoid", "Rastrigin", "BuecheRastrigin", "LinearSlope", "AttractiveSector",
    "StepEllipsoid", "Rosenbrock", "RosenbrockRotated", "EllipsoidRotated", "Discus", "BentCigar",
    "SharpRidge", "DifferentPowers", "RastriginRotated", "Weierstrass", "Schaffers10",
    "Schaffers1000", "GriewankRosenbrock", "Schwefel", "Gallagher101", "Gallagher21", "Katsuura",
    "LunacekBiRastrigin",
)  # fmt: skip


@dataclass(frozen=True)
class FunctionNumber:
    """The number of a function in a suite."""

    suite: str
    function: int
    offset: float  # a score less this is a gap


def function_numbers(problems: Iterable[ProblemSpec]) -> dict[str, FunctionNumber]:
    """Map the id of each problem to the number of its function.

    COCO's functions without noise keep COCO's numbers. All others are counted in the order of the
    suite: from 1 if none is COCO's, else from BEYOND, above COCO's own. Problems that differ in
    `dim` alone share a number.
    """
    problems = list(problems)
    of_coco = _coco_numbers(problems)
    others = _counted([p for p in problems if p.id not in of_coco])
    first = BEYOND if of_coco else 1
    return {
        p.id: FunctionNumber(
            p.objective if p.id in of_coco else COUNTED,
            of_coco[p.id] if p.id in of_coco else others[p.id] + first - 1,
            offset(p.targets),
        )
        for p in problems
    }


def may_be_bbob(suite: str, function: int, name: str) -> bool:
    """Return True if IOHprofiler data may be about a BBOB function but do not say so.

    Only experiments of ioh name the suite. Single problems are of "unknown_suite", those of BBOB
    and those of SBOX, which are other functions with the same names.
    """
    bbob_name = OF_IOH[function - 1].lower() if 1 <= function <= len(OF_IOH) else ""
    return (
        suite == "unknown_suite" and name.lower() == bbob_name
    )  # versions of ioh differ in capitals


def offset(targets: tuple[float, ...]) -> float:
    """Return what is subtracted from a score to give a gap: 0, if all targets are above 0.

    Otherwise the hardest target becomes PRECISION, the gap of COCO's last target.
    """
    return 0.0 if min(targets) > 0 else min(targets) - PRECISION


def _coco_numbers(problems: list[ProblemSpec]) -> dict[str, int]:
    """Return COCO's numbers of the problems that are COCO's functions.

    Of two problems with the same function and dimension, such as with other targets, the first.
    """
    numbers: dict[str, int] = {}
    taken_cases: set[tuple[int, int]] = set()
    for p in problems:
        if p.objective in COCO and p.settings.get("noise", "none") == "none":
            case = int(p.settings["function"]), int(p.settings["dim"])
            if case not in taken_cases:
                numbers[p.id] = case[0]
            taken_cases.add(case)
    return numbers


def _counted(problems: list[ProblemSpec]) -> dict[str, int]:
    kinds: dict[str, int] = {}
    numbers = {}
    for problem in problems:
        settings = {k: v for k, v in problem.settings.items() if k != "dim"}
        unsized = "" if "dim" in problem.settings else problem.id
        kind = json.dumps([problem.objective, settings, unsized], sort_keys=True, default=str)
        numbers[problem.id] = kinds.setdefault(kind, len(kinds) + 1)
    cases = [(numbers[p.id], p.settings.get("dim")) for p in problems]
    has_doubles = len(set(cases)) < len(cases)  # such as the same function with other targets
    return {p.id: i for i, p in enumerate(problems, 1)} if has_doubles else numbers
