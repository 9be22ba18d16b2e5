"""Check, before the first step, that the steps of an estimator can be recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from zobench.core.directions import Array, Block, Direction, Mask, Probe, Recipe
from zobench.core.estimator import ComposedEstimator
from zobench.core.params import Params
from zobench.errors import BadInput
from zobench.optim import classes, journal, state
from zobench.optim.trajectory import remade
from zobench.registry import Entry


def rule(entry: Entry, settings: Mapping[str, Any], estimator: ComposedEstimator) -> dict[str, Any]:
    """Encode the attributes of the estimator's rule. Raises BadInput if it cannot replay alone."""
    own, others = state.Writer(entry), state.Writer(entry)
    encoded = own.attributes(estimator.rule)
    for name, value in classes.attributes(estimator).items():
        with suppress(BadInput):  # a part that cannot be saved; the rule could
            if value is not estimator.rule:
                others.value(value, name)
    changing = others.changing()
    shared = [thing for key, thing in own.changing().items() if key in changing]
    if shared:
        raise BadInput(
            f"{entry.name}: the rule shares a {type(shared[0]).__name__} with the sampler or the "
            "scheme, which a record does not run again; give the rule one of its own"
        )
    if state.has_arrays(encoded):
        raise BadInput(f"record {entry.name} from its first step: it stored arrays since")
    remade(entry, settings, encoded)
    return encoded


def check_step(entry: Entry, settings: Mapping[str, Any], seed: int, params: Params) -> None:
    """Raise BadInput if a step would move along a direction that cannot be recorded.

    To find out, another such estimator makes its first step on made-up losses, and moves nothing.
    """
    still, estimator = _Still(params), entry.build(settings)
    composed = isinstance(estimator, ComposedEstimator)
    if composed:
        estimator.rule = still
    with suppress(Exception):  # the true step will raise it
        estimator.start(still, seed)
        estimator.step(still.evaluate)
    for direction in still.directions:
        journal.encoded(direction, entry)
    if still.by_arrays and not composed:
        raise BadInput(journal.BY_ARRAYS)


class _Still(Params):
    """A point that does not move: it notes the directions of moves. It is a rule as well."""

    def __init__(self, params: Params) -> None:
        self.blocks, self.groups, self.ops = params.blocks, params.groups, params.ops
        self.params = params
        self.directions: list[Direction] = []
        self.by_arrays = False  # True after a move by an array

    def evaluate(self, probes: Sequence[Probe], batch: int | None = None) -> list[float]:
        """Return made-up losses; the minibatch does not matter."""
        self.directions += [direction for _, direction in probes]
        return [1.0 + k / 8 for k in range(len(probes))]

    def apply(self, params: Params, gradient: Recipe, t: int) -> None:
        """Note the directions of a rule's move."""
        self.directions += [direction for _, direction in gradient.terms]

    def add(self, scale: float, direction: Direction) -> None:
        self.directions.append(direction)

    def shrink(self, factor: float, blocks: frozenset[int] | None = None) -> None:
        self.by_arrays = True

    def update(self, block: Block, delta: Array) -> None:
        self.by_arrays = True

    def flush(self) -> None:
        """Do nothing: no move waits."""

    def dense(self, direction: Direction, block: Block) -> Array:
        return self.params.dense(direction, block)

    def gram(self, directions: Sequence[Direction]) -> np.ndarray:
        return self.params.gram(directions)

    def threshold(self, block: Block, share: float) -> float:
        return self.params.threshold(block, share)

    def mask(self, thresholds: Sequence[float]) -> Mask:
        return self.params.mask(thresholds)

    def flat(self) -> np.ndarray:
        return self.params.flat()
