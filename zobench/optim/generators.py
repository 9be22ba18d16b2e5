"""Random generators as plain values, and back: NumPy's, Python's and torch's."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

_BITS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        np.random.MT19937,
        np.random.PCG64,
        np.random.PCG64DXSM,
        np.random.Philox,
        np.random.SFC64,
    )
}


class GeneratorKind(NamedTuple):
    """How a generator of class `of` is told by simpler values, and made of them."""

    of: type
    tell: Callable[[Any], Any]
    make: Callable[[Any], Any]


def _seeds(made: np.random.SeedSequence) -> Any:
    return made.entropy, made.spawn_key, made.pool_size, made.n_children_spawned


def _sequence(told: Any) -> np.random.SeedSequence:
    entropy, key, size, children = told
    return np.random.SeedSequence(
        entropy, spawn_key=key, pool_size=size, n_children_spawned=children
    )


def _bits(told: Any) -> Any:
    state, seeds = told
    made = _BITS[state["bit_generator"]](seeds if seeds is not None else 0)
    made.state = state
    return made


def _seeds_of(bits: Any) -> Any:
    """What children of the generator are spawned from, if that is known."""
    seeds = getattr(bits, "seed_seq", None)
    return seeds if type(seeds) is np.random.SeedSequence else None


def _legacy(told: Any) -> np.random.RandomState:
    made = np.random.RandomState(_bits((told, None)))
    made.set_state(told)
    return made


def _python(told: Any) -> random.Random:
    made = random.Random()
    made.setstate(told)
    return made


def _torch(told: Any) -> torch.Generator:
    device, state = told
    made = torch.Generator(device)
    made.set_state(state)
    return made


KINDS = {
    "numpy.SeedSequence": GeneratorKind(np.random.SeedSequence, _seeds, _sequence),
    "numpy.Generator": GeneratorKind(
        np.random.Generator, lambda made: made.bit_generator, np.random.Generator
    ),
    "numpy.RandomState": GeneratorKind(
        np.random.RandomState, lambda made: made.get_state(legacy=False), _legacy
    ),
    "random.Random": GeneratorKind(random.Random, lambda made: made.getstate(), _python),
    "torch.Generator": GeneratorKind(
        torch.Generator, lambda made: (str(made.device), made.get_state()), _torch
    ),
} | {
    f"numpy.{name}": GeneratorKind(kind, lambda made: (made.state, _seeds_of(made)), _bits)
    for name, kind in _BITS.items()
}
BY_CLASS = {kind.of: name for name, kind in KINDS.items()}
