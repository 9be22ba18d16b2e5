"""The contract of a suite: problems that can be built, with targets that a run can reach."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from zobench.errors import BadInput, MissingPackage
from zobench.harness.suite import ProblemSpec, Suite
from zobench.harness.suite_file import load
from zobench.registry import objectives
from zobench.testing.contract import Breach, Contract, NotApplicable, Subject

contract = Contract("suite")
check = contract.check


def suite_of(subject: Subject) -> Suite:
    """The suite, read."""
    return load(subject.thing)


def distinct(suite: Suite) -> Iterator[ProblemSpec]:
    """The first problem of each objective and settings."""
    seen = []
    for problem in suite.problems:
        key = problem.objective, problem.settings, problem.instances
        if key not in seen:
            seen.append(key)
            yield problem


def built(problem: ProblemSpec, repetition: int = 0) -> Any:
    """The problem of a repetition, not started. Raises Breach, NotApplicable."""
    instance = problem.instance(repetition)
    settings = problem.settings | ({} if instance is None else {"instance": instance})
    try:
        return objectives[problem.objective].build(settings)
    except BadInput as error:
        raise Breach(f"has a problem {problem.id!r} that is not built: {error}") from error
    except MissingPackage as error:
        raise NotApplicable(f"problem {problem.id!r} needs {error.args[0]}") from error


@check("reads")
def it_is_read(subject: Subject) -> None:
    """The file is read, with its name, version, budget and targets."""
    try:
        suite_of(subject)
    except BadInput as error:
        raise Breach(f"is not read: {error}") from error


@check("facts")
def its_facts_are_complete(subject: Subject) -> None:
    """It states a description, a version, budgets, and repetitions that show a spread."""
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
def its_problems_are_built(subject: Subject) -> None:
    """Each problem is built with its settings, in its first and its last instance."""
    for problem in distinct(suite_of(subject)):
        for repetition in sorted({0, problem.repetitions - 1} if problem.instances else {0}):
            built(problem, repetition)


@check("targets", "builds")
def its_targets_can_be_reached(subject: Subject) -> None:
    """Each run starts above the hardest target, and no target lies below what there is."""
    for problem in distinct(suite_of(subject)):
        made = built(problem)
        try:
            made.start(0)
            score = made.score()
        except MissingPackage as error:
            raise NotApplicable(f"problem {problem.id!r} needs {error.args[0]}") from error
        here, hardest = float(score[made.score_name]), problem.targets[-1]
        if not math.isfinite(here):
            raise Breach(f"has a problem {problem.id!r} whose score at the start is {here}")
        if here <= hardest:
            raise Breach(f"has a problem {problem.id!r} that starts at {here:.4g}, where all of "
                         f"its targets ({hardest:g} the hardest) are reached: give lower "
                         "ones")  # fmt: skip
        if made.score_name == "gap" and hardest < 0.0:
            raise Breach(f"asks problem {problem.id!r} for a gap of {hardest:g}, and the optimum "
                         "has 0: give targets above 0")  # fmt: skip
