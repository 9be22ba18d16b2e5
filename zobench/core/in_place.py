"""Losses at probes that move the point in place, and the work that probes of one call share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from zobench.core.directions import Direction, Probe
from zobench.core.params import Params

NextProbe = Callable[[], float]  # begins the next probe, and returns its cost in forward passes
Sharing = AbstractContextManager[NextProbe]  # the context of a call's probes
T = TypeVar("T")


def evaluate_in_place(
    params: Params,
    probes: Sequence[Probe],
    loss: Callable[[int, float], T],
    next_probe: NextProbe,
) -> list[T]:
    """Return the loss at each probe, with the point moved there and back.

    Args:
        params: the point.
        probes: pairs (scale, direction), all of one call.
        loss: takes the index of the probe and its cost in forward passes. It is called while the
            point is at the probe.
        next_probe: is called before each probe, and returns its cost in forward passes.

    Returns:
        What `loss` returned, in the order of the probes.
    """
    values = []
    with params.together(probes):
        for k, (scale, direction) in enumerate(probes):
            cost = next_probe()
            with params.probed(scale, direction):
                values.append(loss(k, cost))
    return values


def nothing_shared(_: Sequence[Direction]) -> Sharing:
    """Return the context of probes that share no work: each costs one forward pass."""
    return nullcontext(_one_forward)


def _one_forward() -> float:
    return 1.0
