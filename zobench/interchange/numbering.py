"""Function numbers and gaps for problems, as COCO and IOHprofiler ask for them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from zobench.harness.suite import ProblemSpec

PRECISION = 1e-8  # the gap of COCO's last target
BEYOND = 201  # the first number of other functions: COCO's suites go up to 130
COUNTED = "zobench"  # the suite of functions that have no numbers of COCO's
COCO = ("bbob", "bbob-largescale")  # objectives that are COCO's functions, under their numbers
# What ioh calls COCO's functions 1 to 24, whose values are the same, instance by instance.
OF_IOH = (
    "Sphere", "Ellipsoid", "Rastrigin", "BuecheRastrigin", "LinearSlope", "AttractiveSector",
    "StepEllipsoid", "Rosenbrock", "RosenbrockRotated", "EllipsoidRotated", "Discus", "BentCigar",
    "SharpRidge", "DifferentPowers", "RastriginRotated", "Weierstrass", "Schaffers10",
    "Schaffers1000", "GriewankRosenbrock", "Schwefel", "Gallagher101", "Gallagher21", "Katsuura",
    "LunacekBiRastrigin",
)  # fmt: skip


@dataclass(frozen=True)
class Numbered:
    """Function `function` of `suite`; a score less `offset` is its gap."""

    suite: str
    function: int
    offset: float


def number(problems: Iterable[ProblemSpec]) -> dict[str, Numbered]:
    """Problem id -> its number.

    COCO's functions, noise-free, keep COCO's numbers. Any others are counted in the order of the
    suite: from 1 if none is COCO's, else beyond COCO's own, from BEYOND. Those that differ in
    nothing but `dim` share a number.
    """
    problems = list(problems)
    own = _own_numbers(problems)
    others = _counted([p for p in problems if p.id not in own])
    first = BEYOND if own else 1
    return {
        p.id: Numbered(
            p.objective if p.id in own else COUNTED,
            own[p.id] if p.id in own else others[p.id] + first - 1,
            offset(p.targets),
        )
        for p in problems
    }


def may_be_bbob(suite: str, function: int, name: str) -> bool:
    """May IOHprofiler data be about a BBOB function? Only experiments of ioh say the suite.

    Single problems are of "unknown_suite", those of BBOB and those of SBOX, which have the same
    names and are other functions.
    """
    known = OF_IOH[function - 1].lower() if 1 <= function <= len(OF_IOH) else ""
    return suite == "unknown_suite" and name.lower() == known  # versions of ioh differ in capitals


def offset(targets: tuple[float, ...]) -> float:
    """What is taken from a score to have a gap: 0, if all targets are above 0.

    Otherwise the hardest target becomes PRECISION, the gap of COCO's own last one.
    """
    return 0.0 if min(targets) > 0 else min(targets) - PRECISION


def _own_numbers(problems: list[ProblemSpec]) -> dict[str, int]:
    """COCO's numbers of the problems that are COCO's functions.

    Of two that are the same function in the same dimension, as with other targets, the first.
    """
    found: dict[str, int] = {}
    taken: set[tuple[int, int]] = set()
    for p in problems:
        if p.objective in COCO and p.settings.get("noise", "none") == "none":
            place = int(p.settings["function"]), int(p.settings["dim"])
            if place not in taken:
                found[p.id] = place[0]
            taken.add(place)
    return found


def _counted(problems: list[ProblemSpec]) -> dict[str, int]:
    kinds: dict[str, int] = {}
    found = {}
    for problem in problems:
        settings = {k: v for k, v in problem.settings.items() if k != "dim"}
        alone = "" if "dim" in problem.settings else problem.id
        kind = json.dumps([problem.objective, settings, alone], sort_keys=True, default=str)
        found[problem.id] = kinds.setdefault(kind, len(kinds) + 1)
    places = [(found[p.id], p.settings.get("dim")) for p in problems]
    alike = len(set(places)) < len(places)  # such as the same function with other targets
    return {p.id: i for i, p in enumerate(problems, 1)} if alike else found
