"""The contract of an estimator: how it moves, and the directions that it moves along."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from zobench.core.ask_tell import Adapted
from zobench.core.directions import Direction, Probe, Recipe
from zobench.core.estimator import ComposedEstimator, Finished
from zobench.core.fixed import is_frozen, waits
from zobench.core.oracle import BudgetExhausted, Oracle
from zobench.core.params import Params
from zobench.core.problem import Losses
from zobench.testing.contract import Breach, NotApplicable, Subject
from zobench.testing.estimators import BUDGET, check, door, entry_of, run, small


@check("span")
def it_moves_along_what_it_probed(subject: Subject) -> None:
    """It moves within the span of the directions that it probed, also at refreshes and switches.

    A composed estimator's recipe lies in the span of its own step's probes (its rule may then bend
    it, entry by entry). Any other goes to points in the affine hull of those it asked for.
    """
    entry = entry_of(subject)
    if entry.first_order:
        raise NotApplicable("moves along a gradient: it has no probes")
    estimator, problem = entry.build(entry.sanity), small(entry)
    params = problem.start(1)
    estimator.start(params, 3)
    oracle, origin = door(entry, estimator, problem, BUDGET), params.flat()
    probed: list[np.ndarray] = []
    moved: list[np.ndarray] = []
    composed = isinstance(estimator, ComposedEstimator)

    def noted(probes: Sequence[Probe]) -> None:
        here = 0.0 if composed else params.flat() - origin
        probed.extend(here + scale * _flat(params, direction) for scale, direction in probes)

    if composed:
        apply = estimator.rule.apply

        def applied(params: Params, gradient: Recipe, t: int) -> None:
            moved.append(_flat(params, gradient))
            apply(params, gradient, t)

        estimator.rule.apply = applied
    for _ in range(25):
        if composed:
            probed.clear()
            moved.clear()
        try:
            estimator.step(Watched(oracle, noted))
        except (BudgetExhausted, Finished):
            break
        move = moved[0] if composed and moved else params.flat() - origin
        span = np.array(probed).T
        if np.linalg.norm(move) > 0 and np.linalg.matrix_rank(span) < params.size:
            fit = span @ np.linalg.lstsq(span, move, rcond=None)[0]
            length = np.linalg.norm(fit) * np.linalg.norm(move)
            if not (length > 0 and abs(fit @ move / length - 1.0) <= 1e-6):
                raise Breach("moves along what it did not probe: move by the directions that it "
                             "asked at, or by a zobench.Recipe of them")  # fmt: skip
    getattr(estimator, "close", lambda: None)()


class Watched:
    """An oracle that is told first of the probes of each call."""

    def __init__(self, oracle: Oracle, noted: Callable[[Sequence[Probe]], None]) -> None:
        self.oracle, self.noted, self.budget = oracle, noted, oracle.budget

    def __call__(self, probes: Sequence[Probe]) -> Losses:
        self.noted(probes)
        return self.oracle(probes)


def _flat(params: Params, direction: Direction) -> np.ndarray:
    return np.concatenate([params.dense(direction, block) for block in params.blocks])


@check("directions")
def its_directions_are_frozen(subject: Subject) -> None:
    """Its directions derive from zobench.Direction, and stay what they were when probed."""
    entry = entry_of(subject)
    if entry.first_order:
        raise NotApplicable("moves along a gradient: it has no probes")
    estimator, problem = entry.build(entry.sanity), small(entry)
    params = problem.start(1)
    oracle = door(entry, estimator, problem, BUDGET)
    seen: list[tuple[Direction, np.ndarray]] = []

    def noted(probes: Sequence[Probe]) -> None:
        seen.extend((d, _flat(params, d)) for _, d in probes)

    try:
        estimator.start(params, 3)
        for _ in range(5):
            estimator.step(Watched(oracle, noted))
    except (BudgetExhausted, Finished):
        pass
    getattr(estimator, "close", lambda: None)()
    for direction, then in seen:
        kind = type(direction)
        if not isinstance(direction, Direction):
            raise Breach(f"probes along a {kind.__name__}, which is not a zobench.Direction, so "
                         "that it is neither saved nor recorded: derive it, as a frozen "
                         "dataclass")  # fmt: skip
        if not is_frozen(kind):
            raise Breach(f"probes along a {kind.__name__}, which is not frozen: write "
                         f"@dataclass(frozen=True) above class {kind.__name__}")  # fmt: skip
        if waits(direction, params.blocks):
            continue
        if not np.array_equal(_flat(params, direction), then):
            raise Breach(f"changes a {kind.__name__} after it was probed: give each probe a "
                         "direction, and each array, of its own")  # fmt: skip


@check("ranks", "repeats")
def only_order_counts_where_it_says_so(subject: Subject) -> None:
    """With ranks = True, it moves to the same points when losses are stretched, in their order."""
    entry = entry_of(subject)
    estimator = entry.build(entry.sanity)
    if not getattr(estimator, "ranks", False):
        raise NotApplicable("does not state ranks = True")
    if isinstance(estimator, Adapted):
        raise NotApplicable("another library's optimizer, which is told infinity as a loss")
    plain, stretched = small(entry), small(entry)
    f = stretched.f
    stretched.f = lambda x: np.log1p(f(x))
    if not np.array_equal(run(entry, plain, 400), run(entry, stretched, 400)):
        raise Breach("states ranks = True, but moves otherwise when losses are stretched in their "
                     "order: compare losses only, or leave ranks out")  # fmt: skip
