"""Explain estimators on a problem: the landscape at a point, and the progress of each estimator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from zobench.core.oracle import BudgetExhausted, Oracle, oracle_of
from zobench.core.problem import Problem
from zobench.core.seeds import fold
from zobench.errors import BadInput, Unsuitable
from zobench.explain.groups import Landscape, landscape
from zobench.explain.mean_loss import MeanLoss
from zobench.explain.moves import FirstMoves, moves
from zobench.harness.elements import entries, load_packages, seed_generators
from zobench.harness.plan import RunSpec, plan
from zobench.harness.run import NOISE, START
from zobench.harness.suite_file import load

OnPart = Callable[[str, int, int], None]  # (what is measured, parts made, parts in all)


@dataclass(frozen=True)
class Effort:
    """How much is measured at each point; see `explain`."""

    draws: int
    directions: int
    batches: int
    length: float
    step: float


@dataclass(frozen=True)
class Point:
    """What was measured at one point.

    Attributes:
        queries: of the run that led to the point; 0 is the start.
        score: of the point.
        landscape: energy, noise and curvature.
        moves: estimator as typed -> its moves, or the reason why there are none.
        forwards: work of the measurement, in forward passes of one minibatch.
        batches: the number of minibatches whose mean loss was measured.
        step: of finite differences, per square root of the coordinates moved.
    """

    queries: int
    score: float
    landscape: Landscape
    moves: dict[str, FirstMoves | str]
    forwards: float
    batches: int
    step: float


def explain(
    names: Sequence[str],
    problem: str,
    *,
    queries: Sequence[int] = (0,),
    draws: int = 100,
    directions: int = 32,
    batches: int = 16,
    length: float = 1.0,
    step: float = 0.0,
    repetition: int = 0,
    tuned: bool = True,
    baselines: Path | None = None,
    progress: OnPart = lambda title, made, total: None,
) -> Iterator[Point]:
    """Measure at the points that a run of the first estimator passes, one after the other.

    Args:
        names: estimators as typed.
        problem: SUITE:ID, such as llm-tiny:tiny-sentiment.
        queries: of the run at which to measure, in increasing order; 0 is the start.
        draws: moves per estimator.
        directions: for the trace of the Hessian.
        batches: minibatches whose mean loss is explained.
        length: of the moves whose progress is measured, in those that theory calls best.
        step: of finite differences, per square root of the coordinates moved; 0: as suits the
            problem.
        repetition: decides the start.
        tuned: True to take tuned settings where the user gives none.
        baselines: a folder of the user's own tuned settings.
        progress: is called as the measurement goes on.

    Raises:
        BadInput: a name or a number is wrong.
    """
    if not names:
        raise BadInput("name at least one estimator; `zobench list estimators` shows them")
    _check(draws=draws, directions=directions, batches=batches)
    if not 0 < length < 2:
        raise BadInput(f"--length is a number between 0 and 2, not {length}")
    if not 0 <= step < float("inf"):
        raise BadInput(f"--step is a length above 0, or 0 for the usual one, not {step}")
    if list(queries) != sorted(set(queries)) or queries[0] < 0:
        raise BadInput(f"--queries are numbers from 0 on that increase, not {list(queries)}")
    suite, _, id = problem.rpartition(":")
    if not suite:
        raise BadInput(f"--problem is SUITE:ID, such as llm-tiny:tiny-sentiment, not {problem!r}")
    chosen = load(suite)
    chosen = chosen.pick((chosen.problem(id).id,))
    specs = plan(
        chosen, names, repetitions=[repetition], baselines=tuned, baselines_folder=baselines
    )
    budget = specs[0].problem.budget
    if queries[-1] > budget:
        raise BadInput(f"{id} has a budget of {budget} queries, --queries asks for {queries[-1]}")
    return _points(specs, list(queries), Effort(draws, directions, batches, length, step), progress)


def _points(
    specs: list[RunSpec],
    queries: list[int],
    effort: Effort,
    progress: OnPart,
) -> Iterator[Point]:
    first = specs[0]
    objective, entry = entries(first)
    load_packages(objective)
    for spec in specs:
        load_packages(entries(spec)[1])
    seed_generators(first.problem_seed)
    problem: Problem = objective.build(first.settings)
    params = problem.start(fold(first.problem_seed, START))
    estimator: Any = None
    oracle: Oracle | None = None
    for count in queries:
        if count and oracle is None:
            estimator = entry.build(first.estimator.settings)
            budget, seed = first.problem.budget, fold(first.problem_seed, NOISE)
            oracle = oracle_of(estimator, problem, budget, seed, first_order=entry.first_order)
            estimator.start(params, first.estimator_seed)
        with suppress(BudgetExhausted):
            while oracle and oracle.queries < count:
                estimator.step(oracle)
        params.flush()
        with params.returning():
            made = oracle.queries if oracle else 0
            point = _point(problem, specs, made, effort, progress)
        yield point


def _point(
    problem: Problem,
    specs: list[RunSpec],
    queries: int,
    effort: Effort,
    progress: OnPart,
) -> Point:
    score = float(problem.score()[problem.score_name])
    seed = fold(specs[0].problem_seed, queries)
    loss = MeanLoss(problem, effort.batches, seed, effort.step)
    sets = 1 if loss.has_gradients else len(loss.params.groups) + 1
    total, made = sets * effort.directions + 2 * effort.draws * len(specs), 0

    def tick(title: str) -> None:
        nonlocal made
        made += 1
        progress(title, made, total)

    where = landscape(loss, effort.directions, seed, partial(tick, "energy and curvature"))
    results: dict[str, FirstMoves | str] = {}
    for spec in specs:
        _, entry = entries(spec)
        build = partial(entry.build, spec.estimator.settings)
        name, budget = spec.estimator.text, spec.problem.budget
        before = made
        try:
            entry.check_size(loss.params.size)
            results[name] = moves(
                *(loss, build, effort.draws, budget, seed, entry.first_order, effort.length),
                partial(tick, f"moves: {name}"),
            )
        except Unsuitable as error:
            results[name] = str(error)
            made = before + 2 * effort.draws
    facts = loss.evaluations, len(loss.seeds), loss.step
    return Point(queries, score, where, results, *facts)


def _check(**numbers: int) -> None:
    least = {"draws": 2, "directions": 2, "batches": 1}
    for name, number in numbers.items():
        if number < least[name]:
            raise BadInput(f"--{name} is a number of at least {least[name]}, not {number}")
