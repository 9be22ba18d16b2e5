"""One minibatch for a whole sweep over the groups of a block-coordinate method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zobench.core.directions import Probe, Recipe
from zobench.core.params import Params
from zobench.core.samplers import OneGroup
from zobench.core.schemes import Draw, Evaluate, Scheme


@dataclass
class SharedBatch:
    """A scheme that asks for the same minibatch in all steps of a sweep.

    Args:
        scheme: asks for losses, and makes a gradient estimate of them.
        sampler: tells which sweep a step belongs to.
    """

    scheme: Scheme
    sampler: OneGroup

    @property
    def on_device(self) -> bool:
        """True if the scheme never looks at losses: they may stay on their device."""
        return getattr(self.scheme, "on_device", False)

    def batch(self, params: Params, t: int) -> int:
        """Return the number of the minibatch of step t."""
        return self.sampler.sweep(params, t)

    def __call__(self, params: Params, evaluate: Any, draw: Draw, t: int) -> Recipe:
        """Return the gradient estimate of step t. `evaluate` takes the number of a minibatch."""
        batch = self.batch(params, t)

        def on_batch(probes: Sequence[Probe]) -> Sequence[float]:
            return evaluate(probes, batch=batch)

        asked: Evaluate = on_batch
        return self.scheme(params, asked, draw, t)
