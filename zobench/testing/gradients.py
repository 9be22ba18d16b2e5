"""The contract of an objective: its gradient, if it has one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zobench.core.directions import Direction, Noise
from zobench.core.problem import Problem
from zobench.errors import Unsuitable
from zobench.testing.contract import Breach, CheckSubject, NotApplicable
from zobench.testing.objectives import check, scores_at, start_problem

LARGEST = 10**7  # coordinates; larger problems would need too much memory for several gradients


def gradient(problem: Problem, seed: int = 5) -> tuple[float, Sequence[Any]]:
    """Return (loss, gradients); raise NotApplicable if the problem has no gradient."""
    try:
        return problem.gradient(seed)
    except Unsuitable as error:
        raise NotApplicable("has no gradient") from error


def _dot(problem: Problem, gradients: Sequence[Any], direction: Direction) -> float:
    return sum(
        float(np.asarray(g, float) @ np.asarray(problem.params.dense(direction, block), float))
        for g, block in zip(gradients, problem.params.blocks)
    )


@check("gradient", "draws")
def a_gradient_matches_central_differences(subject: CheckSubject) -> None:
    """Its gradient, if it has one, is that of its losses."""
    problem = start_problem(subject)
    _, gradients = gradient(problem)
    if [len(g) for g in gradients] != [b.size for b in problem.params.blocks]:
        raise Breach("gives a gradient of other sizes than the blocks: one flat array per block")
    directions = [Noise(100 + k) for k in range(6)]
    slopes = np.array([_dot(problem, gradients, d) for d in directions])
    errors = []
    for eps in (1e-2, 1e-3, 1e-4):  # rounding or curvature spoils some, rarely all
        differences = []
        for d in directions:
            high, low = problem.losses([(eps, d), (-eps, d)], 5)
            differences.append((float(high) - float(low)) / (2.0 * eps))
        errors.append(np.linalg.norm(differences - slopes) / np.linalg.norm(slopes))
    if not min(errors) < 0.02:
        raise Breach(f"has a gradient that differs from central differences by {min(errors):.0%}: "
                     "mend it, or leave it out")  # fmt: skip


@check("descent", "gradient")
def a_small_step_against_the_gradient_improves_the_score(subject: CheckSubject) -> None:
    """A step against its gradient, if it has one, lowers the score."""
    problem = start_problem(subject)
    if not problem.params.size < LARGEST:
        raise NotApplicable("too large to hold several gradients")
    sums: list[Any] = [
        sum(parts) / 8 for parts in zip(*(gradient(problem, s)[1] for s in range(8)))
    ]
    name = problem.score_name
    before, squares = scores_at(problem)[name], sum(float((g * g).sum()) for g in sums)
    if not squares > 0.0:
        raise Breach("has a gradient of 0 at its start: start elsewhere")
    for step in 10.0 ** np.arange(0.0, -5.0, -0.5):  # from too long to short enough
        for sign in (-1.0, 1.0):
            for block, g in zip(problem.params.blocks, sums):
                problem.params.update(block, sign * step * g)
            if sign < 0 and scores_at(problem)[name] < before:
                return
    raise Breach(f"has a gradient no step against which lowers the {name}: score what the losses "
                 "are of")  # fmt: skip
