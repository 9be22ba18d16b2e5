"""Encode random generators of NumPy, Python and torch as plain values, and make them again."""

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
    """How a generator of class `of` is encoded as simpler values, and made of them."""

    of: type
    encode: Callable[[Any], Any]
    make: Callable[[Any], Any]


def _seeds(seeds: np.random.SeedSequence) -> Any:
    return seeds.entropy, seeds.spawn_key, seeds.pool_size, seeds.n_children_spawned


def _sequence(value: Any) -> np.random.SeedSequence:
    entropy, key, size, children = value
    return np.random.SeedSequence(
        entropy, spawn_key=key, pool_size=size, n_children_spawned=children
    )


def _bits(value: Any) -> Any:
    state, seeds = value
    generator = _BITS[state["bit_generator"]](seeds if seeds is not None else 0)
    generator.state = state
    return generator


def _seeds_of(bits: Any) -> Any:
    """Return the seed sequence that children of the generator come from, or None."""
    seeds = getattr(bits, "seed_seq", None)
    return seeds if type(seeds) is np.random.SeedSequence else None


def _legacy(value: Any) -> np.random.RandomState:
    generator = np.random.RandomState(_bits((value, None)))
    generator.set_state(value)
    return generator


def _python(value: Any) -> random.Random:
    generator = random.Random()
    generator.setstate(value)
    return generator


def _torch(value: Any) -> torch.Generator:
    device, state = value
    generator = torch.Generator(device)
    generator.set_state(state)
    return generator


KINDS = {
    "numpy.SeedSequence": GeneratorKind(np.random.SeedSequence, _seeds, _sequence),
    "numpy.Generator": GeneratorKind(
        np.random.Generator, lambda generator: generator.bit_generator, np.random.Generator
    ),
    "numpy.RandomState": GeneratorKind(
        np.random.RandomState, lambda generator: generator.get_state(legacy=False), _legacy
    ),
    "random.Random": GeneratorKind(random.Random, lambda generator: generator.getstate(), _python),
    "torch.Generator": GeneratorKind(
        torch.Generator, lambda generator: (str(generator.device), generator.get_state()), _torch
    ),
} | {
    f"numpy.{name}": GeneratorKind(
        kind, lambda generator: (generator.state, _seeds_of(generator)), _bits
    )
    for name, kind in _BITS.items()
}
BY_CLASS = {kind.of: name for name, kind in KINDS.items()}
