"""Directions: what a probe moves along. Frozen values: equal directions replay equal noise.

A direction expands, block by block, into weighted primitives and other directions; `terms_of`
expands these too. A primitive adds itself to any slice of a flat buffer. So a probe, a restore and
an update share one piece of code, and the direction that moves the point is always the one that was
probed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from zobench.core.noise import interface as noise
from zobench.errors import BadInput

__all__ = [
    "Array",
    "Block",
    "Coordinate",
    "Dense",
    "Direction",
    "FixedMask",
    "LowRank",
    "Mask",
    "Noise",
    "Primitive",
    "PrimitiveDirection",
    "Probe",
    "RandomMask",
    "Recipe",
    "Restricted",
    "Term",
    "add_terms",
    "terms_of",
]

Array = Any  # a NumPy array, or a torch tensor: the core does not distinguish them


class Block(Protocol):
    """One named array of the point, such as a weight matrix.

    Attributes:
        index: position among the blocks of the point; noise depends on it.
        name: such as "layers.0.weight".
        shape: of the array.
        size: number of coordinates.
        start: position of the first coordinate in the flattened point.

    Example:
        >>> import numpy as np
        >>> from zobench import VectorParams
        >>> first, second = VectorParams(np.zeros(10), [(2, 3), (4,)]).blocks
        >>> second.index, second.shape, second.size, second.start
        (1, (4,), 4, 6)
    """

    @property
    def index(self) -> int:
        """Position among the blocks of the point."""
        ...

    @property
    def name(self) -> str:
        """Name, such as "layers.0.weight"."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        ...

    @property
    def size(self) -> int:
        """Number of coordinates."""
        ...

    @property
    def start(self) -> int:
        """Position of the first coordinate in the flattened point."""
        ...


class Primitive(Protocol):
    """A direction that is not a combination of others."""

    def add(self, out: Array, scale: float, block: Block, start: int) -> None:
        """Add scale * d[start : start + len(out)] to `out`, a flat slice of `block`.

        Args:
            out: NumPy buffer of float32 or float64, shape (n,).
            scale: factor of the direction.
            block: block of which `out` is a slice.
            start: position of the slice in the block.
        """
        ...


Term = tuple[float, Primitive]
AnyTerm = tuple[float, "Primitive | Direction"]  # what expand gives


class Direction:
    """What a probe moves along: a pure function of a block's index and shape.

    It never depends on the values of the point. Directions are frozen values: what was probed is
    taken back later, and must be what it was then. Derive your own as a frozen dataclass whose
    fields are numbers, words, tuples and directions. Such a direction is saved, recorded and
    replayed by its fields, so what it expands into may depend on its fields only. If that is
    zobench's own directions, a move along it may wait, and equal ones merge. A move along a
    primitive of your own, with `add`, is written at once, as it may read what is stored elsewhere.

    A direction that holds arrays is declared with `@dataclass(frozen=True, eq=False)`. It is saved
    but not recorded, and a move along it is written at once unless its arrays are read-only (see
    `zobench.locked`). The same holds for the arrays of the primitives that it expands into. Any
    other object with `expand` works too; it is neither saved nor recorded, and a move along it is
    written at once.

    Example:
        >>> from dataclasses import dataclass
        >>> import numpy as np
        >>> from zobench import Direction, Noise, VectorParams
        >>> @dataclass(frozen=True)
        ... class Half(Direction):
        ...     seed: int
        ...
        ...     def expand(self, block):
        ...         return ((0.5, Noise(self.seed)),)
        >>> params = VectorParams(np.zeros(3))
        >>> (half, whole) = params.rows([(1.0, Half(7)), (1.0, Noise(7))])
        >>> bool(np.allclose(2 * half, whole))
        True
    """

    __slots__ = ()

    def expand(self, block: Block) -> Iterable[AnyTerm]:
        """Return weighted terms whose sum is the direction on a block.

        A term is a primitive or another direction, which is expanded in turn. Primitives are
        `Noise`, `LowRank` on matrices, `RandomMask`, `FixedMask`, `Coordinate`, `Dense`, and any
        other object with a method add(out, scale, block, start).

        Args:
            block: block of the point.

        Returns:
            Pairs (weight, term); none where the direction is zero.
        """
        raise NotImplementedError(f"a {type(self).__name__} is a direction without expand(block)")


class PrimitiveDirection(Direction):
    """A direction that is a primitive itself."""

    __slots__ = ()

    def expand(self, block: Block) -> Iterable[AnyTerm]:
        return ((1.0, self),)

    def add(self, out: Array, scale: float, block: Block, start: int) -> None:
        """Add scale * d[start : start + len(out)] to `out`, a flat slice of `block`.

        Args:
            out: NumPy buffer of float32 or float64, shape (n,).
            scale: factor of the direction.
            block: block of which `out` is a slice.
            start: position of the slice in the block.
        """
        raise NotImplementedError(f"a {type(self).__name__} is a direction without add(...)")


def terms_of(direction: Direction, block: Block) -> Iterator[Term]:
    """Expand a direction on a block, and all directions that it expands into.

    Args:
        direction: the direction.
        block: block of the point.

    Returns:
        An iterator over pairs (weight, primitive).

    Raises:
        BadInput: a term is neither a primitive nor a direction.
    """
    kind = type(direction)
    terms: Iterable[tuple[float, Any]] = direction.expand(block)
    for weight, term in terms:
        if type(term) is Noise or _is_primitive(term, kind):
            yield weight, term
        elif term is direction or hasattr(term, "dtype") or not hasattr(term, "expand"):
            raise BadInput(
                f"expand of a {kind.__name__} gives a term of type {type(term).__name__}, which "
                "is not a primitive: give pairs (weight, direction), such as (0.5, "
                "zobench.Noise(seed)), or write its method add(out, scale, block, start)"
            )
        else:
            for inner, primitive in terms_of(term, block):
                yield weight * inner, primitive


def _is_primitive(term: Any, kind: type) -> bool:
    """Return True if a term that a direction of this kind expands into needs no expansion.

    It adds itself, and either does not expand into anything else or is what such a term became.
    """
    own = getattr(type(term), "expand", None)
    ends = own in (None, Direction.expand, PrimitiveDirection.expand) or type(term) is kind
    return ends and callable(getattr(term, "add", None))


Probe = tuple[float, Direction]  # (scale, d) stands for the point x + scale * d


@dataclass(frozen=True, slots=True)
class Noise(PrimitiveDirection):
    """Independent entries of a law with mean 0 and variance 1.

    Args:
        seed: integer from 0 to 2^63 - 1; equal seeds give equal noise on every machine.
        law: "gaussian"; "rademacher" (-1 or 1); or "hadamard", a normal law to moments of order 7
            that takes less than half the time of "gaussian" on a CPU.

    Example:
        >>> import numpy as np
        >>> from zobench import Noise, VectorParams
        >>> params = VectorParams(np.zeros(4))
        >>> params.rows([(1.0, Noise(7, "rademacher"))])
        array([[ 1.,  1., -1., -1.]])
    """

    seed: int
    law: str = "gaussian"

    def add(self, out: Array, scale: float, block: Block, start: int) -> None:
        noise.accumulate(out, ((scale, self.seed),), self.law, block.index, start=start)


@dataclass(frozen=True, slots=True)
class Restricted(Direction):
    """A direction on some blocks, zero elsewhere: the other blocks cost nothing.

    Args:
        inner: direction on the active blocks.
        active: indices of the active blocks.

    Example:
        >>> import numpy as np
        >>> from zobench import Noise, Restricted, VectorParams
        >>> params = VectorParams(np.zeros(4), [(2,), (2,)])
        >>> direction = Restricted(Noise(7, "rademacher"), frozenset([1]))
        >>> [abs(params.dense(direction, block)).tolist() for block in params.blocks]
        [[0.0, 0.0], [1.0, 1.0]]
    """

    inner: Direction
    active: frozenset[int]

    def expand(self, block: Block) -> Iterable[AnyTerm]:
        return self.inner.expand(block) if block.index in self.active else ()


@dataclass(frozen=True, slots=True)
class Recipe(Direction):
    """A weighted sum of directions: a gradient estimate that is replayed and never stored.

    Args:
        terms: pairs (weight, direction).

    Example:
        >>> import numpy as np
        >>> from zobench import Coordinate, Recipe, VectorParams
        >>> gradient = Recipe(((2.0, Coordinate(0)), (-1.0, Coordinate(2))))
        >>> params = VectorParams(np.zeros(3))
        >>> params.add(0.5, gradient)
        >>> params.x.tolist()
        [1.0, 0.0, -0.5]
    """

    terms: tuple[tuple[float, Direction], ...]  # (w_i, d_i)

    def expand(self, block: Block) -> Iterable[AnyTerm]:
        for weight, direction in self.terms:
            for inner, primitive in direction.expand(block):
                yield weight * inner, primitive


@dataclass(frozen=True, slots=True)
class LowRank(PrimitiveDirection):
    """The direction U Vᵀ / sqrt(rank) on matrices, Gaussian noise elsewhere.

    U and V have Gaussian entries, so that entries of the direction have variance 1 whatever the
    rank, and a scale means what it means for `Noise`.

    Args:
        seed: seed of U, shape (rows, rank).
        basis_seed: seed of V, shape (columns, rank); V may outlive U.
        rank: number of columns of U and V, at least 1.

    Raises:
        BadInput: the rank is below 1.

    Example:
        >>> import numpy as np
        >>> from zobench import LowRank, VectorParams
        >>> params = VectorParams(np.zeros(20), [(4, 5)])
        >>> matrix = params.dense(LowRank(1, 2, rank=2), params.blocks[0]).reshape(4, 5)
        >>> int(np.linalg.matrix_rank(matrix, tol=1e-4))
        2
    """

    seed: int
    basis_seed: int
    rank: int

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise BadInput(f"the rank of a direction is at least 1, not {self.rank}")

    def expand(self, block: Block) -> Iterable[AnyTerm]:
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


@lru_cache(maxsize=256)  # V is the memory that LOZO needs: rank x columns per matrix
def _factor_v(seed: int, block: int, cols: int, rank: int) -> np.ndarray:
    return noise.values("gaussian", seed, block, noise.FACTOR_V, 0, cols * rank).reshape(cols, rank)


@dataclass(frozen=True, slots=True)
class RandomMask(PrimitiveDirection):
    """Noise on a random share of the coordinates, zero elsewhere.

    Args:
        inner: noise on the coordinates of the mask.
        mask_seed: seed of the mask; equal seeds give equal masks.
        keep: probability that a coordinate belongs to the mask.
    """

    inner: Noise
    mask_seed: int
    keep: float

    def add(self, out: Array, scale: float, block: Block, start: int) -> None:
        stop = start + len(out)
        mask = noise.values("uniform", self.mask_seed, block.index, noise.MASK, start, stop)
        part = np.zeros(len(out))
        self.inner.add(part, scale, block, start)
        out += part * (mask < self.keep)


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """The coordinates whose magnitude is at most the threshold of their block.

    `Params.mask` makes it. A mask is equal to itself alone, so that directions compare in no time.

    Args:
        thresholds: one per block.
        bits: per block, one bit per coordinate, packed: bytes of shape (ceil(size / 8),).
    """

    thresholds: tuple[float, ...]
    bits: tuple[np.ndarray, ...]


@dataclass(frozen=True, slots=True)
class FixedMask(PrimitiveDirection):
    """Noise on the coordinates of a stored mask, zero elsewhere.

    Args:
        inner: noise on the coordinates of the mask.
        mask: the mask.
    """

    inner: Noise
    mask: Mask

    def add(self, out: Array, scale: float, block: Block, start: int) -> None:
        stop = start + len(out)
        packed = self.mask.bits[block.index][start // 8 : -(-stop // 8)]
        mask = np.unpackbits(packed)[start % 8 :][: len(out)]
        part = np.zeros(len(out))
        self.inner.add(part, scale, block, start)
        out += part * mask


@dataclass(frozen=True, slots=True)
class Coordinate(PrimitiveDirection):
    """The unit vector of one coordinate.

    Args:
        index: position of the coordinate in the flattened point.

    Example:
        >>> import numpy as np
        >>> from zobench import Coordinate, VectorParams
        >>> VectorParams(np.zeros(3)).rows([(0.1, Coordinate(1))]).tolist()
        [[0.0, 0.1, 0.0]]
    """

    index: int

    def expand(self, block: Block) -> Iterable[AnyTerm]:
        return ((1.0, self),) if 0 <= self.index - block.start < block.size else ()

    def add(self, out: Array, scale: float, block: Block, start: int) -> None:
        at = self.index - block.start - start
        if 0 <= at < len(out):
            out[at] += scale


@dataclass(frozen=True, slots=True, eq=False)
class Dense(PrimitiveDirection):
    """A stored vector, for methods that name their points outright (CMA-ES, nevergrad).

    Args:
        vector: array of shape (d,).

    Example:
        >>> import numpy as np
        >>> from zobench import Dense, VectorParams
        >>> x = np.array([1.0, 2.0])
        >>> VectorParams(x).rows([(1.0, Dense(np.array([3.0, 3.0]) - x))]).tolist()
        [[3.0, 3.0]]
    """

    vector: np.ndarray

    def add(self, out: Array, scale: float, block: Block, start: int) -> None:
        out += scale * self.vector[block.start + start :][: len(out)]


def add_terms(
    out: Array, terms: Sequence[Term], block: Block, start: int, threads: int = 1
) -> None:
    """Add the sum of weighted primitives to a slice of a block.

    All noise of one law takes a single pass over `out`.

    Args:
        out: NumPy buffer of float32 or float64, shape (n,).
        terms: pairs (weight, primitive).
        block: block of which `out` is a slice.
        start: position of the slice in the block.
        threads: number of threads that share out a large slice.
    """
    laws: dict[str, list[tuple[float, int]]] = {}
    for weight, primitive in terms:
        if type(primitive) is Noise:
            laws.setdefault(primitive.law, []).append((weight, primitive.seed))
        else:
            primitive.add(out, weight, block, start)
    for law, seeds in laws.items():
        noise.accumulate(out, seeds, law, block.index, start=start, threads=threads)
