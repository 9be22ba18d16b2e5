"""Directions: what a probe moves along. Frozen values: equal directions replay equal noise.

A direction expands, block by block, into weighted primitives; a primitive adds itself to any slice
of a flat buffer. So a probe, a restore and an update share one piece of code, and the direction
that moves the point is always the one that was probed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from zobench.core.noise import interface as noise

Array = Any  # a NumPy array, or a torch tensor: the core never asks which


class Block(Protocol):
    """One named array of the point."""

    @property
    def index(self) -> int: ...  # its place among the blocks; keys its noise
    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def size(self) -> int: ...
    @property
    def start(self) -> int: ...  # its first coordinate in the flattened point


class Primitive(Protocol):
    """A direction that is not a combination of others."""

    def add(self, out: Array, scale: float, block: Block, start: int) -> None:
        """out += scale * d[start : start + len(out)], for a flat slice of `block`.

        `out` is a NumPy buffer, float32 or float64; plain noise also goes into tensors directly.
        """
        ...


Term = tuple[float, Primitive]


class Direction:
    """A pure function of the block's index and shape, never of the point's values.

    Directions are frozen values: what was probed is taken back later, and must be what it was then.
    A class of one's own derives from this one, and is a frozen dataclass:

        @dataclass(frozen=True)
        class Half(Direction):
            seed: int

            def expand(self, block):
                return ((0.5, Noise(self.seed)),)

    Its fields are numbers, words, tuples and directions; then it is saved, recorded and replayed by
    them, moves along it may wait, and equal ones merge. One that holds arrays is declared with
    @dataclass(frozen=True, eq=False); it is saved but not recorded, and moves along it are written
    at once unless its arrays are read-only (see `fixed.locked`). The same holds for the arrays of
    the primitives that it expands into. Any other object with `expand` works too; it is neither
    saved nor recorded, and moves along it are written at once.
    """

    __slots__ = ()

    def expand(self, block: Block) -> Iterable[Term]:
        """Weighted primitives whose sum is the direction on `block`; none where it is zero."""
        raise NotImplementedError(f"a {type(self).__name__} is a direction without expand(block)")


Probe = tuple[float, Direction]  # (scale, d) stands for the point x + scale * d


@dataclass(frozen=True, slots=True)
class Noise(Direction):
    """Independent entries of a law with mean 0 and variance 1: "gaussian" or "rademacher"."""

    seed: int
    law: str = "gaussian"

    def expand(self, block: Block) -> Iterable[Term]:
        return ((1.0, self),)

    def add(self, out: Array, scale: float, block: Block, start: int) -> None:
        noise.accumulate(out, ((scale, self.seed),), self.law, block.index, start=start)


@dataclass(frozen=True, slots=True)
class Restricted(Direction):
    """`inner` on the active blocks, zero elsewhere: an inactive block costs nothing."""

    inner: Direction
    active: frozenset[int]

    def expand(self, block: Block) -> Iterable[Term]:
        return self.inner.expand(block) if block.index in self.active else ()


@dataclass(frozen=True, slots=True)
class Recipe(Direction):
    """sum_i w_i d_i: a gradient estimate that is never stored, only replayed. A direction too."""

    terms: tuple[tuple[float, Direction], ...]  # (w_i, d_i)

    def expand(self, block: Block) -> Iterable[Term]:
        for weight, direction in self.terms:
            for inner, primitive in direction.expand(block):
                yield weight * inner, primitive


@dataclass(frozen=True, slots=True)
class LowRank(Direction):
    """U Vᵀ / sqrt(rank) on matrices, `law` elsewhere. V has its own seed, so it can outlive U.

    Entries have unit variance whatever the rank, so a scale means what it means for Noise.
    """

    seed: int
    basis_seed: int
    rank: int

    def expand(self, block: Block) -> Iterable[Term]:
        return ((1.0, self if len(block.shape) == 2 else Noise(self.seed)),)

    def add(self, out: Array, scale: float, block: Block, start: int) -> None:
        cols = block.shape[1]
        first, last = start // cols, -(-(start + len(out)) // cols)
        u = noise.values(
            "gaussian", self.seed, block.index, noise.FACTOR_U, first * self.rank, last * self.rank
        ).reshape(-1, self.rank)
        v = _factor_v(self.basis_seed, block.index, cols, self.rank)
        product = (u @ v.T).reshape(-1)[start - first * cols :][: len(out)]
        out += product * np.float32(scale * self.rank**-0.5)


@lru_cache(maxsize=256)  # V is the memory that LOZO keeps: rank x columns a matrix
def _factor_v(seed: int, block: int, cols: int, rank: int) -> np.ndarray:
    return noise.values("gaussian", seed, block, noise.FACTOR_V, 0, cols * rank).reshape(cols, rank)


@dataclass(frozen=True, slots=True)
class RandomMask(Direction):
    """`inner` on a random fraction `keep` of the coordinates: equal seed, equal mask."""

    inner: Noise
    mask_seed: int
    keep: float

    def expand(self, block: Block) -> Iterable[Term]:
        return ((1.0, self),)

    def add(self, out: Array, scale: float, block: Block, start: int) -> None:
        stop = start + len(out)
        mask = noise.values("uniform", self.mask_seed, block.index, noise.MASK, start, stop)
        part = np.zeros(len(out))
        self.inner.add(part, scale, block, start)
        out += part * (mask < self.keep)


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """The coordinates whose magnitude is at most the threshold of their block: see `Params.mask`.

    A mask is equal to itself alone, so that directions compare in no time.
    """

    thresholds: tuple[float, ...]  # one per block
    bits: tuple[np.ndarray, ...]  # per block, packed: bytes of shape (ceil(size / 8),)


@dataclass(frozen=True, slots=True)
class FixedMask(Direction):
    """`inner` on the coordinates of a stored mask, zero elsewhere."""

    inner: Noise
    mask: Mask

    def expand(self, block: Block) -> Iterable[Term]:
        return ((1.0, self),)

    def add(self, out: Array, scale: float, block: Block, start: int) -> None:
        stop = start + len(out)
        packed = self.mask.bits[block.index][start // 8 : -(-stop // 8)]
        mask = np.unpackbits(packed)[start % 8 :][: len(out)]
        part = np.zeros(len(out))
        self.inner.add(part, scale, block, start)
        out += part * mask


@dataclass(frozen=True, slots=True)
class Coordinate(Direction):
    """The unit vector of flat coordinate `index`."""

    index: int

    def expand(self, block: Block) -> Iterable[Term]:
        return ((1.0, self),) if 0 <= self.index - block.start < block.size else ()

    def add(self, out: Array, scale: float, block: Block, start: int) -> None:
        at = self.index - block.start - start
        if 0 <= at < len(out):
            out[at] += scale


@dataclass(frozen=True, slots=True, eq=False)
class Dense(Direction):
    """A stored vector, for methods that name their points outright (CMA-ES, nevergrad)."""

    vector: np.ndarray  # shape (d,)

    def expand(self, block: Block) -> Iterable[Term]:
        return ((1.0, self),)

    def add(self, out: Array, scale: float, block: Block, start: int) -> None:
        out += scale * self.vector[block.start + start :][: len(out)]


def add_terms(
    out: Array, terms: Sequence[Term], block: Block, start: int, threads: int = 1
) -> None:
    """out += sum_i w_i p_i on a slice; all noise of one law in a single pass over `out`."""
    laws: dict[str, list[tuple[float, int]]] = {}
    for weight, primitive in terms:
        if type(primitive) is Noise:
            laws.setdefault(primitive.law, []).append((weight, primitive.seed))
        else:
            primitive.add(out, weight, block, start)
    for law, seeds in laws.items():
        noise.accumulate(out, seeds, law, block.index, start=start, threads=threads)
