"""The contract of a suite: its problems can be built, and runs can reach their targets."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from zobench.errors import BadInput, MissingPackage
from zobench.harness.suite import ProblemSpec, Suite
from zobench.harness.suite_file import load
from zobench.registry import objectives
from zobench.testing.contract import Breach, CheckSubject, Contract, NotApplicable

contract = Contract("suite")
check = contract.check


def suite_of(subject: CheckSubject) -> Suite:
    """Read the suite."""
    return load(subject.thing)


def distinct(suite: Suite) -> Iterator[ProblemSpec]:
    """Yield the first problem of each combination of objective, settings and instances."""
    keys = []
    for problem in suite.problems:
        key = problem.objective, problem.settings, problem.instances
        if key not in keys:
            keys.append(key)
            yield problem


def build(problem: ProblemSpec, repetition: int = 0) -> Any:
    """Build the problem of a repetition. Raises Breach or NotApplicable if that fails."""
    instance = problem.instance(repetition)
    settings = problem.settings | ({} if instance is None else {"instance": instance})
    try:
        return objectives[problem.objective].build(settings)
    except BadInput as error:
        raise Breach(f"has a problem {problem.id!r} that is not built: {error}") from error
    except MissingPackage as error:
        raise NotApplicable(f"problem {problem.id!r} needs {error.args[0]}") from error


@check("reads")
def it_is_read(subject: CheckSubject) -> None:
    """The file can be read and states its name, version, budget and targets."""
    try:
        suite_of(subject)
    except BadInput as error:
        raise Breach(f"is not read: {error}") from error


@check("facts")
def its_facts_are_complete(subject: CheckSubject) -> None:
    """It states a description and a version, and has enough queries and repetitions."""
    suite = suite_of(subject)
    if not suite.description.strip():
        raise Breach('has no description: description = "what the suite is for"')
    if not suite.version.strip():
        raise Breach('has no version: version = "1", raised when results must not be compared')
    for problem in suite.problems:
        if problem.repetitions < 2:
            raise Breach(f"repeats problem {problem.id!r} once, which shows no spread: "
                         "repetitions = 5, say")  # fmt: skip
        if problem.budget < len(problem.targets):
            raise Breach(f"gives problem {problem.id!r} {problem.budget} queries for "
                         f"{len(problem.targets)} targets: raise its budget")  # fmt: skip


@check("builds")
def its_problems_are_built(subject: CheckSubject) -> None:
    """Each problem can be built with its settings, for its first and its last instance."""
    for problem in distinct(suite_of(subject)):
        for repetition in sorted({0, problem.repetitions - 1} if problem.instances else {0}):
            build(problem, repetition)


@check("targets", "builds")
def its_targets_can_be_reached(subject: CheckSubject) -> None:
    """Each run starts above the hardest target, and no target is below the minimum."""
    for spec in distinct(suite_of(subject)):
        problem = build(spec)
        try:
            problem.start(0)
            scores = problem.score()
        except MissingPackage as error:
            raise NotApplicable(f"problem {spec.id!r} needs {error.args[0]}") from error
        score, hardest = float(scores[problem.score_name]), spec.targets[-1]
        if not math.isfinite(score):
            raise Breach(f"has a problem {spec.id!r} whose score at the start is {score}")
        if score <= hardest:
            raise Breach(f"has a problem {spec.id!r} that starts at {score:.4g}, where all of "
                         f"its targets ({hardest:g} the hardest) are reached: give lower "
                         "ones")  # fmt: skip
        if problem.score_name == "gap" and hardest < 0.0:
            raise Breach(f"asks problem {spec.id!r} for a gap of {hardest:g}, and the optimum "
                         "has 0: give targets above 0")  # fmt: skip
