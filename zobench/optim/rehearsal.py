"""A step on made-up losses that moves nothing: along which directions would an estimator move?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zobench.core.directions import Array, Block, Direction, Probe, Recipe
from zobench.core.estimator import ZerothOrder as Composed
from zobench.core.params import Params
from zobench.registry import Entry


class Still(Params):
    """The point as it stands: moves are noted, and not made."""

    def __init__(self, params: Params) -> None:
        self.blocks, self.groups, self.ops = params.blocks, params.groups, params.ops
        self.params = params
        self.seen: list[Direction] = []
        self.by_arrays = False  # did it move by something that is no direction?

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

    def flat(self) -> np.ndarray:
        return self.params.flat()

    def evaluate(self, probes: Sequence[Probe]) -> list[float]:
        self.seen += [direction for _, direction in probes]
        return [1.0 + k / 8 for k in range(len(probes))]

    def apply(self, params: Params, gradient: Recipe, t: int) -> None:
        """As a rule."""
        self.seen += [direction for _, direction in gradient.terms]


def rehearsed(entry: Entry, settings: Mapping[str, Any], seed: int, params: Params) -> Still:
    """What the first step of such an estimator would probe, and move along."""
    still, estimator = Still(params), entry.build(settings)
    if isinstance(estimator, Composed):
        estimator.rule = still
    try:
        estimator.start(still, seed)
        estimator.step(still.evaluate)
    except Exception:  # the step itself will say it, on true losses
        return still
    return still
