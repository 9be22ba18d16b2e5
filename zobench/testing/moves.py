"""The contract of an estimator: its moves and its directions."""

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
from zobench.testing.contract import Breach, CheckSubject, NotApplicable
from zobench.testing.estimators import BUDGET, check, entry_of, oracle_of, run, small


@check("span")
def it_moves_along_what_it_probed(subject: CheckSubject) -> None:
    """It moves within the span of the directions that it probed, also at refreshes and switches.

    A composed estimator's recipe lies in the span of the probes of its own step (its rule may then
    change it entry by entry). Any other estimator moves within the affine hull of its probes.
    """
    entry = entry_of(subject)
    if entry.first_order:
        raise NotApplicable("moves along a gradient: it has no probes")
    estimator, problem = entry.build(entry.sanity), small(entry)
    params = problem.start(1)
    estimator.start(params, 3)
    oracle, origin = oracle_of(entry, estimator, problem, BUDGET), params.flat()
    probed: list[np.ndarray] = []
    moves: list[np.ndarray] = []
    composed = isinstance(estimator, ComposedEstimator)

    def record(probes: Sequence[Probe]) -> None:
        here = 0.0 if composed else params.flat() - origin
        probed.extend(here + scale * _flat(params, direction) for scale, direction in probes)

    if composed:
        apply = estimator.rule.apply

        def record_and_apply(params: Params, gradient: Recipe, t: int) -> None:
            moves.append(_flat(params, gradient))
            apply(params, gradient, t)

        estimator.rule.apply = record_and_apply
    for _ in range(25):
        if composed:
            probed.clear()
            moves.clear()
        try:
            estimator.step(RecordingOracle(oracle, record))
        except (BudgetExhausted, Finished):
            break
        move = moves[0] if composed and moves else params.flat() - origin
        span = np.array(probed).T
        if np.linalg.norm(move) > 0 and np.linalg.matrix_rank(span) < params.size:
            fit = span @ np.linalg.lstsq(span, move, rcond=None)[0]
            length = np.linalg.norm(fit) * np.linalg.norm(move)
            if not (length > 0 and abs(fit @ move / length - 1.0) <= 1e-6):
                raise Breach("moves along directions that it did not probe: move by those that it "
                             "asked at, or by a zobench.Recipe of them")  # fmt: skip
    getattr(estimator, "close", lambda: None)()


class RecordingOracle:
    """An oracle that passes the probes of each call to a function before it evaluates them."""

    def __init__(self, oracle: Oracle, record: Callable[[Sequence[Probe]], None]) -> None:
        self.oracle, self.record, self.budget = oracle, record, oracle.budget

    def __call__(self, probes: Sequence[Probe], batch: int | None = None) -> Losses:
        """Record the probes and evaluate them."""
        self.record(probes)
        return self.oracle(probes, batch)


def _flat(params: Params, direction: Direction) -> np.ndarray:
    return np.concatenate([params.dense(direction, block) for block in params.blocks])


@check("directions")
def its_directions_are_frozen(subject: CheckSubject) -> None:
    """Its directions derive from zobench.Direction and do not change after they were probed."""
    entry = entry_of(subject)
    if entry.first_order:
        raise NotApplicable("moves along a gradient: it has no probes")
    estimator, problem = entry.build(entry.sanity), small(entry)
    params = problem.start(1)
    oracle = oracle_of(entry, estimator, problem, BUDGET)
    values: list[tuple[Direction, np.ndarray]] = []

    def record(probes: Sequence[Probe]) -> None:
        values.extend((d, _flat(params, d)) for _, d in probes)

    try:
        estimator.start(params, 3)
        for _ in range(5):
            estimator.step(RecordingOracle(oracle, record))
    except (BudgetExhausted, Finished):
        pass
    getattr(estimator, "close", lambda: None)()
    for direction, before in values:
        kind = type(direction)
        if not isinstance(direction, Direction):
            raise Breach(f"probes along a {kind.__name__}, which is not a zobench.Direction, so "
                         "that it is neither saved nor recorded: derive it, as a frozen "
                         "dataclass")  # fmt: skip
        if not is_frozen(kind):
            raise Breach(f"probes along a {kind.__name__}, which is not frozen: write "
                         f"@dataclass(frozen=True) above class {kind.__name__}")  # fmt: skip
        if waits(direction):
            continue
        if not np.array_equal(_flat(params, direction), before):
            raise Breach(f"changes a {kind.__name__} after it was probed: give each probe a "
                         "direction, and each array, of its own, and let a direction depend on "
                         "its fields only")  # fmt: skip


@check("ranks", "repeats")
def only_order_counts_where_it_says_so(subject: CheckSubject) -> None:
    """With ranks = True, its moves depend on the order of the losses alone."""
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
