"""Can the steps of an estimator be recorded? Found out before the first one."""

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
    """What the estimator's rule remembers. Raises BadInput where it would not replay alone."""
    mine, others = state.Writer(entry), state.Writer(entry)
    told = mine.whole(estimator.rule)
    for name, value in classes.attributes(estimator).items():
        with suppress(BadInput):  # a part that cannot be saved; the rule could
            if value is not estimator.rule:
                others.value(value, name)
    theirs = others.changing()
    shared = [thing for key, thing in mine.changing().items() if key in theirs]
    if shared:
        raise BadInput(
            f"{entry.name}: the rule shares a {type(shared[0]).__name__} with the sampler or the "
            "scheme, which a record does not run again; give the rule one of its own"
        )
    if state.has_arrays(told):
        raise BadInput(f"record {entry.name} from its first step: it stored arrays since")
    remade(entry, settings, told)
    return told


def check_step(entry: Entry, settings: Mapping[str, Any], seed: int, params: Params) -> None:
    """Raises BadInput if a step would move along what cannot be recorded.

    A first step of another such estimator is made, on made-up losses and moving nothing.
    """
    still, estimator = _Still(params), entry.build(settings)
    composed = isinstance(estimator, ComposedEstimator)
    if composed:
        estimator.rule = still
    with suppress(Exception):  # the step itself will raise it, on true losses
        estimator.start(still, seed)
        estimator.step(still.evaluate)
    for direction in still.seen:
        journal.told(direction, entry)
    if still.by_arrays and not composed:
        raise BadInput(journal.BY_ARRAYS)


class _Still(Params):
    """The point as it stands: moves are noted, and not made. It is a rule as well."""

    def __init__(self, params: Params) -> None:
        self.blocks, self.groups, self.ops = params.blocks, params.groups, params.ops
        self.params = params
        self.seen: list[Direction] = []
        self.by_arrays = False  # did it move by something other than a direction?

    def evaluate(self, probes: Sequence[Probe]) -> list[float]:
        self.seen += [direction for _, direction in probes]
        return [1.0 + k / 8 for k in range(len(probes))]

    def apply(self, params: Params, gradient: Recipe, t: int) -> None:
        self.seen += [direction for _, direction in gradient.terms]

    def add(self, scale: float, direction: Direction) -> None:
        self.seen.append(direction)

    def shrink(self, factor: float, blocks: frozenset[int] | None = None) -> None:
        self.by_arrays = True

    def update(self, block: Block, delta: Array) -> None:
        self.by_arrays = True

    def flush(self) -> None:
        """There is nothing to write."""

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
