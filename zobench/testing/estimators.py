"""The contract of an estimator; the modules memory, moves and weights add further checks."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zobench.core.ask_tell import Adapted
from zobench.core.directions import Probe, terms_of
from zobench.core.estimator import Finished
from zobench.core.oracle import BudgetExhausted, Oracle, Unstoppable
from zobench.core.oracle import oracle_of as make_oracle
from zobench.core.problem import Problem
from zobench.errors import BadInput, Unsuitable
from zobench.harness.elements import load_packages, seed_generators
from zobench.registry import Entry
from zobench.testing import claims
from zobench.testing.contract import (
    Breach,
    CheckSubject,
    Contract,
    NotApplicable,
    global_generators,
)
from zobench.testing.spheres import TensorSphere, shapes_for, sphere

BUDGET = 4000
FROM_SEED = "take random numbers from the seed given to start"

contract = Contract("estimator")
check = contract.check


class Stop(Exception):  # noqa: N818 - raised on purpose
    """The exception that a failing loss raises."""


def refuse_settings(entry: Entry, wrongs: Sequence[dict[str, Any]]) -> None:
    """Raise Breach unless the entry refuses each of these settings and names it."""
    for wrong in wrongs:
        try:
            entry.build(wrong)
        except BadInput as error:
            if next(iter(wrong)) in str(error):
                continue
        raise Breach(f"takes the setting {wrong}: raise zobench.BadInput, which names it")


def entry_of(subject: CheckSubject) -> Entry:
    """Return the entry of an estimator or an objective."""
    assert subject.entry is not None
    return subject.entry


def run(
    entry: Entry,
    problem: Problem,
    budget: int = BUDGET,
    seed: int = 3,
    seeded: bool = True,
    is_enough: Callable[[], bool] = lambda: False,
) -> np.ndarray:
    """Run an estimator until the budget or the estimator ends; return the point after each step.

    `seeded`: seed the global generators first, as a run does, so that an estimator that draws from
    them fails one check instead of all. `is_enough`: called after each step; True ends the run.
    """
    if seeded:
        seed_generators(seed)
    estimator = entry.build(entry.sanity)
    params = problem.start(1)
    oracle = oracle_of(entry, estimator, problem, budget)
    estimator.start(params, seed)
    points = [params.flat()]
    try:
        while True:
            before = oracle.queries
            estimator.step(oracle)
            points.append(params.flat())
            if is_enough():
                break
            if oracle.queries == before:  # it would never end; the check `budget` reports it
                break
    except (BudgetExhausted, Finished):
        pass
    finally:
        getattr(estimator, "close", lambda: None)()
    return np.array(points)


def oracle_of(entry: Entry, estimator: Any, problem: Problem, budget: int) -> Oracle:
    """Make the oracle as a run does."""
    return make_oracle(estimator, problem, budget, 2, first_order=entry.first_order)


def small(entry: Entry) -> Any:
    """Make a sphere of rows with as many variables as the estimator takes, at most 24."""
    return sphere(shapes_for(entry))


@check("steps")
def it_makes_steps(subject: CheckSubject) -> None:
    """It has start and step, and the first steps raise nothing."""
    entry = entry_of(subject)
    load_packages(entry)
    estimator = entry.build(entry.sanity)
    if not (hasattr(estimator, "start") and hasattr(estimator, "step")):
        raise Breach(
            f"makes a {type(estimator).__name__}, which has no start and step: return an object "
            "with start(params, seed) and step(evaluate)"
        )
    problem = small(entry)
    params = problem.start(1)
    oracle = oracle_of(entry, estimator, problem, BUDGET)
    try:
        estimator.start(params, 3)
        for _ in range(3):
            estimator.step(oracle)
    except Finished:
        pass
    except Unsuitable as error:
        raise Breach(f"does not take a sphere of {params.size} variables ({error}): state the "
                     "largest size that it takes, such as max_dim=20") from error  # fmt: skip
    except Unstoppable as error:
        raise Breach(f"never ends its step: {error}") from error
    getattr(estimator, "close", lambda: None)()
    if not np.isfinite(params.flat()).all():
        raise Breach(
            "moves the point to what is not a number in its first steps on a sphere: state "
            "settings that solve it, such as sanity={'lr': 0.01}, or mend the step"
        )


@check("docstring")
def it_is_documented(subject: CheckSubject) -> None:
    """Its docstring states what it does in one line, its formula, queries per step and memory."""
    entry = entry_of(subject)
    doc = inspect.getdoc(entry.make) or ""
    if not entry.summary.strip():
        raise Breach("has no docstring: begin it with one line for `zobench list`")
    wrapper = bool(entry.needs) or isinstance(entry.build(entry.sanity), Adapted)
    if not wrapper and not any(sign in doc for sign in ("<-", "argmin", " = ")):
        raise Breach("states no update formula: write it in the docstring, as in 'x <- x - lr g'")
    if not claims.queries_claim(doc):
        raise Breach("does not state its queries: write 'Queries per step: 2n.' in the docstring")
    if not claims.sentence(doc, "Memory"):
        raise Breach("does not state its memory: write 'Memory: the weights.' in the docstring")
    if not sys.modules[entry.make.__module__].__doc__:
        raise Breach("comes from a file without a docstring: begin the file with one that names "
                     "the method and its paper")  # fmt: skip


@check("facts")
def its_facts_are_complete(subject: CheckSubject) -> None:
    """It names its paper, and its `space` and `sanity` name settings that it has."""
    entry = entry_of(subject)
    if not entry.paper:
        raise Breach("names no paper: give paper=\"arXiv:...\", or 'ours' where there is none")
    if not entry.space:
        raise Breach("gives nothing to tune: space={\"lr\": (1e-5, 1.0, 'log')} says where "
                     "`zobench tune` looks")  # fmt: skip
    for fact in ("space", "sanity"):
        if unknown := set(getattr(entry, fact)) - set(entry.defaults):
            raise Breach(f"has no setting {sorted(unknown)[0]!r}, which its {fact} names: take the "
                         f"names of its parameters ({', '.join(entry.defaults)})")  # fmt: skip
    for name, span in entry.space.items():
        if isinstance(span, list):
            if len(span) < 2:
                raise Breach(f"searches {name!r} in {span}: give at least two choices")
            continue
        low, high, scale = span
        if not low < high or scale not in ("log", "linear") or (scale == "log" and low <= 0):
            raise Breach(f"searches {name!r} in {(low, high, scale)}: give (low, high, 'log' or "
                         "'linear') with low < high, and low > 0 for 'log'")  # fmt: skip
    if not isinstance(entry.max_dim, int) or entry.max_dim < 0:
        raise Breach(f"states max_dim={entry.max_dim!r}: give the largest number of coordinates, "
                     "or 0 for any")  # fmt: skip


@check("settings")
def wrong_settings_are_refused(subject: CheckSubject) -> None:
    """Unknown settings and values of a wrong type are refused with one line."""
    entry = entry_of(subject)
    wrongs: list[dict[str, Any]] = [{"no_such_setting": 1}]
    number = next((k for k, v in entry.defaults.items() if type(v) is float), None)
    if number:
        wrongs += [{number: v} for v in ("many", "nan", math.nan, math.inf)]
    refuse_settings(entry, wrongs)


@check("queries")
def its_queries_are_as_stated(subject: CheckSubject) -> None:
    """A step makes as many queries as the docstring says."""
    entry = entry_of(subject)
    claim = claims.queries_claim(inspect.getdoc(entry.make) or "")
    if not claim:
        raise NotApplicable("the docstring does not state them")
    estimator, problem = entry.build(entry.sanity), small(entry)
    params = problem.start(1)
    spans = claims.queries(claim, entry.defaults | dict(entry.sanity), params.size)
    if not spans:
        raise Breach(f"states its queries per step as {claim!r}, which is not a formula in its "
                     "settings and d: write 'Queries per step: 2n.', say")  # fmt: skip
    oracle = oracle_of(entry, estimator, problem, BUDGET)
    estimator.start(params, 3)
    counts: list[int] = []
    try:
        for _ in range(8):
            before = oracle.queries
            estimator.step(oracle)
            counts.append(oracle.queries - before)
    except (BudgetExhausted, Finished):
        pass
    getattr(estimator, "close", lambda: None)()
    for count in counts[1:]:  # the first step may also evaluate the start
        if not any(low <= count <= high for low, high in spans):
            raise Breach(f"makes {count} queries in a step, but its docstring says {claim!r}: "
                         "state what it makes")  # fmt: skip


@check("budget")
def it_keeps_the_budget(subject: CheckSubject) -> None:
    """Each step asks for losses and lets evaluate's exceptions pass, so that a run ends."""
    entry = entry_of(subject)
    estimator, problem = entry.build(entry.sanity), small(entry)
    params = problem.start(1)
    oracle = oracle_of(entry, estimator, problem, 37)
    estimator.start(params, 3)
    idle = 0
    try:
        while idle < 3:
            before = oracle.queries
            estimator.step(oracle)
            idle = idle + 1 if oracle.queries == before else 0
    except (BudgetExhausted, Finished):
        return
    except Unstoppable:
        pass
    finally:
        getattr(estimator, "close", lambda: None)()
    if oracle.refused:
        raise Breach("catches what evaluate raises when the budget is spent: let it pass, it ends "
                     "the run")  # fmt: skip
    raise Breach("makes steps without asking for a loss: raise zobench.Finished(reason) where "
                 "there is nothing left to do")  # fmt: skip


@check("solves")
def it_solves_a_sphere(subject: CheckSubject) -> None:
    """With the settings in `sanity` it reduces the gap of a sphere to a tenth in 4000 queries."""
    entry = entry_of(subject)
    points = run(entry, small(entry))
    gaps = 0.5 * ((points - 1.0) ** 2).sum(axis=1)
    if not gaps[-1] < 0.1 * gaps[0]:
        raise Breach(
            f"leaves {gaps[-1] / gaps[0]:.2g} of the gap of a sphere of {points.shape[1]} "
            f"variables after {BUDGET} queries: state settings that solve it, such as "
            "sanity={'lr': 0.02}, or mend the step"
        )


@check("repeats")
def equal_seeds_give_equal_traces(subject: CheckSubject) -> None:
    """Equal seeds give equal points, and its random numbers depend on the seed."""
    entry = entry_of(subject)
    traces, probes, seeds = [], [], []
    for seed in (3, 3, 4):
        problem = small(entry)
        log = _QueryLog(problem)
        traces.append(run(entry, problem, 400, seed))
        probes.append(log.points)
        seeds.append(log.seeded)
    if not np.array_equal(traces[0], traces[1]):
        raise Breach("moves to other points when it runs again with the same seed: derive all "
                     "randomness from the seed given to start, as in "
                     "zobench.fold(self.seed, t)")  # fmt: skip
    if entry.first_order:
        return
    is_equal = np.array_equal(traces[0], traces[2])
    alike = all(np.array_equal(a, b) for a, b in zip(probes[0], probes[2]))
    if is_equal and (seeds[0] or not alike):
        raise Breach("ignores its seed: runs of other seeds draw the same directions; derive them "
                     "from the seed given to start, as in zobench.fold(self.seed, t)")  # fmt: skip


class _QueryLog:
    """Record the points at which a problem of rows is evaluated, and whether noise leads there."""

    def __init__(self, problem: Any) -> None:
        self.points: list[np.ndarray] = []
        self.seeded = False
        rows, losses = problem.f, problem.losses

        def f(x: np.ndarray) -> np.ndarray:
            self.points.append(x.copy())
            return rows(x)

        def recorded(probes: Sequence[Probe], seed: int) -> Sequence[float]:
            for _, direction in probes:
                for block in problem.params.blocks:
                    terms = terms_of(direction, block)
                    self.seeded |= any(hasattr(primitive, "seed") for _, primitive in terms)
            return losses(probes, seed)

        problem.f, problem.losses = f, recorded


@check("generators")
def global_generators_are_untouched(subject: CheckSubject) -> None:
    """It does not use the global generators of numpy.random, random or torch."""
    entry = entry_of(subject)
    problem = small(entry)
    with global_generators(FROM_SEED):
        run(entry, problem, 300, seeded=False)


@check("rows", "repeats")
def rows_and_the_walk_in_place_agree(subject: CheckSubject) -> None:
    """A function of rows and the same function of tensors give the same points."""
    entry = entry_of(subject)
    shapes = shapes_for(entry)
    rows = run(entry, sphere(shapes), 400)
    walk = run(entry, TensorSphere(shapes), 400)
    if len(rows) != len(walk) or not np.allclose(walk, rows, rtol=0, atol=1e-6):
        raise Breach("moves to other points where the weights are torch tensors: move by "
                     "params.add(scale, direction), which is the same on both")  # fmt: skip


@check("restores")
def asking_leaves_the_point_where_it_was(subject: CheckSubject) -> None:
    """A step moves the point only after all of its losses; a step that fails moves nothing."""
    entry = entry_of(subject)
    for fails_at in (1, 2, 5):
        problem = TensorSphere(shapes_for(entry))
        params, loss, calls = problem.start(1), problem.loss, 0
        estimator = entry.build(entry.sanity)
        estimator.start(params, 3)
        oracle = oracle_of(entry, estimator, problem, BUDGET)

        def failing(seed: int, loss: Any = loss, fails_at: int = fails_at) -> float:
            nonlocal calls
            calls += 1
            if calls == fails_at:
                raise Stop
            return loss(seed)

        problem.loss = failing
        before = params.flat()
        try:
            while calls < fails_at:
                queries = oracle.queries
                before = params.flat()
                estimator.step(oracle)
                if oracle.queries == queries:
                    break
        except Stop:
            if not np.allclose(params.flat(), before, rtol=0, atol=1e-12):
                raise Breach(
                    "leaves the point elsewhere when a loss raises: ask at probes "
                    "(scale, direction) instead of moving the point to them, and move it once, "
                    "after the last loss"
                ) from None
        except Finished:
            pass
        finally:
            getattr(estimator, "close", lambda: None)()
