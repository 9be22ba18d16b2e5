"""Samplers: which direction comes next.

A sampler is called as (params, t, seed, base): t is the number of the step, `seed` is fresh at
every draw and `base` is the seed of the run. Every direction has unit second moment per coordinate
of its support, E[d dᵀ] = I, so one `eps` and one `lr` mean the same for all.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from zobench.core.directions import (
    Coordinate,
    Direction,
    FixedMask,
    LowRank,
    Mask,
    Noise,
    RandomMask,
    Recipe,
    Restricted,
)
from zobench.core.params import Group, Params
from zobench.core.seed_range import fold_range
from zobench.core.seeds import fold
from zobench.errors import BadInput, Unsuitable

__all__ = [
    "Coordinates",
    "LowRankSampler",
    "OneGroup",
    "Orthogonal",
    "Sampler",
    "SmallWeights",
    "Sparse",
    "by_name",
    "every_group",
    "gaussian",
    "hadamard",
    "rademacher",
    "sphere",
]

ORDERS = ("random", "ascending", "descending", "flip-flop")
_BASIS, _MASKS, _ORDER = 1, 2, 3  # what a seed folded from `base` is for


class Sampler(Protocol):
    """Makes the next direction."""

    def __call__(self, params: Params, t: int, seed: int, base: int) -> Direction:
        """Return the next direction.

        Args:
            params: the point.
            t: number of the step, from 0.
            seed: fresh at every draw.
            base: seed of the run.

        Returns:
            The direction.
        """
        ...


def gaussian(params: Params, t: int, seed: int, base: int) -> Direction:
    """Draw d ~ N(0, I), by the law `params.law`.

    Args:
        params: the point.
        t: number of the step, from 0.
        seed: fresh at every draw.
        base: seed of the run.

    Returns:
        The direction.
    """
    return Noise(seed, params.law)


def hadamard(params: Params, t: int, seed: int, base: int) -> Direction:
    """Draw d of the law "hadamard", whose moments up to order 7 are those of N(0, I).

    Args:
        params: the point.
        t: number of the step, from 0.
        seed: fresh at every draw.
        base: seed of the run.

    Returns:
        The direction.
    """
    return Noise(seed, "hadamard")


def rademacher(params: Params, t: int, seed: int, base: int) -> Direction:
    """Draw entries -1 or 1, independent and equally likely.

    Args:
        params: the point.
        t: number of the step, from 0.
        seed: fresh at every draw.
        base: seed of the run.

    Returns:
        The direction.
    """
    return Noise(seed, "rademacher")


def sphere(params: Params, t: int, seed: int, base: int) -> Direction:
    """Draw from the sphere of radius sqrt(d), uniformly: a Gaussian divided by its length.

    Args:
        params: the point.
        t: number of the step, from 0.
        seed: fresh at every draw.
        base: seed of the run.

    Returns:
        The direction.
    """
    noise = Noise(seed, params.law)
    return Recipe(((math.sqrt(params.size) / params.norm(noise), noise),))


@dataclass
class Orthogonal:
    """Orthogonal directions of length sqrt(d), n at a time, uniform (Haar).

    From n Gaussians Z: the Cholesky factor Zᵀ Z = Rᵀ R gives Q = Z R⁻¹, the one QR factor whose
    diagonal R is positive, so Q is Haar without a further sign correction. A direction is a recipe
    of n seeds: no memory of size d.

    Args:
        n: number of directions of a frame, at most d.
        frame: directions of the frame that are not used yet.
    """

    n: int
    frame: list[Direction] = field(default_factory=list, repr=False)

    def __call__(self, params: Params, t: int, seed: int, base: int) -> Direction:
        if self.n > params.size:
            raise Unsuitable(f"needs n <= d: {self.n} orthogonal directions, d = {params.size}")
        if not self.frame:
            noises = [Noise(s, params.law) for s in fold_range(seed, 0, self.n)]
            upper = np.linalg.cholesky(params.gram(noises)).T
            weights = math.sqrt(params.size) * np.linalg.inv(upper)  # column k makes direction k
            for k in reversed(range(self.n)):
                terms = zip(weights[: k + 1, k].tolist(), noises)
                self.frame.append(Recipe(tuple(terms)))
        return self.frame.pop()


@dataclass
class LowRankSampler:
    """Low-rank directions of LOZO: U Vᵀ / sqrt(rank) on matrices, Gaussian elsewhere.

    Args:
        rank: number of columns of U and V.
        refresh: number of steps that V lasts; U is fresh at every draw.
    """

    rank: int
    refresh: int

    def __post_init__(self) -> None:
        for name in ("rank", "refresh"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name} is a number of at least 1, not {getattr(self, name)}")

    def __call__(self, params: Params, t: int, seed: int, base: int) -> Direction:
        if t == 0 and not any(len(b.shape) == 2 and min(b.shape) > 1 for b in params.blocks):
            raise Unsuitable("needs a matrix block: on vectors it would be plain Gaussian")
        return LowRank(seed, fold(base, _BASIS, t // self.refresh), self.rank)


@dataclass
class Sparse:
    """Directions of R-MeZO: a Gaussian on a random share of the coordinates, zero elsewhere.

    The mask is a seed, and takes no memory.

    Args:
        keep: probability that a coordinate belongs to the mask.
        refresh: number of steps that a mask lasts; 0: the whole run.
    """

    keep: float
    refresh: int = 1

    def __post_init__(self) -> None:
        _check_mask(self.keep, self.refresh)

    def __call__(self, params: Params, t: int, seed: int, base: int) -> Direction:
        period = t // self.refresh if self.refresh else 0
        return RandomMask(Noise(seed, params.law), fold(base, _MASKS, period), self.keep)


@dataclass
class SmallWeights:
    """Directions of Sparse-MeZO: a Gaussian on the weights of small magnitude, zero elsewhere.

    The threshold of a block is the magnitude that a share `keep` of its weights does not exceed
    before the first step. The mask is taken in each step, from the point itself and never from a
    probed point: the weights whose magnitude is then at most the threshold. It is stored as one bit
    per weight.

    Args:
        keep: share of the weights of each block that the thresholds let move.
        refresh: number of steps after which the thresholds are taken again; 0: never.
        thresholds: one per block, once they are taken.
        mask: mask of the last step.
        step: number of the last step.
    """

    keep: float
    refresh: int = 0
    thresholds: tuple[float, ...] = field(default=(), repr=False)
    mask: Mask | None = field(default=None, repr=False)
    step: int = field(default=-1, repr=False)  # of the mask

    def __post_init__(self) -> None:
        _check_mask(self.keep, self.refresh)

    def __call__(self, params: Params, t: int, seed: int, base: int) -> Direction:
        if self.mask is None or self.step != t:
            if not self.thresholds or (self.refresh and t % self.refresh == 0):
                self.thresholds = tuple(params.threshold(b, self.keep) for b in params.blocks)
            if not (self.refresh or any(self.thresholds)):
                raise Unsuitable("compares magnitudes of weights, and most weights of each block "
                                 "are 0: start elsewhere, or set refresh")  # fmt: skip
            self.mask, self.step = params.mask(self.thresholds), t
        return FixedMask(Noise(seed, params.law), self.mask)


def _check_mask(keep: float, refresh: int) -> None:
    if not 0 < keep <= 1:
        raise BadInput(f"keep is a share in (0, 1], not {keep}")
    if refresh < 0:
        raise BadInput(f"refresh is a number of steps of at least 0, not {refresh}")


def every_group(group: Group) -> bool:
    """Return True: each group takes part.

    Args:
        group: group of blocks.

    Returns:
        True.
    """
    return True


@dataclass
class OneGroup:
    """Directions of MeZO-BCD: on one group of blocks at a time, zero elsewhere.

    The group is a pure function of the step, so nothing must be saved.

    Args:
        dwell: number of steps that a group stays active.
        order: "random" (without replacement: a fresh permutation for every sweep), "ascending",
            "descending" or "flip-flop" (up, then down).
        inner: sampler of the direction on the active group.
        pick: function of a group, True for groups that take part.
    """

    dwell: int = 100
    order: str = "random"
    inner: Sampler = gaussian
    pick: Callable[[Group], bool] = every_group

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise BadInput(f"order is one of {', '.join(ORDERS)}, not {self.order!r}")
        if self.dwell < 1:
            raise BadInput(f"dwell is a number of steps of at least 1, not {self.dwell}")

    def __call__(self, params: Params, t: int, seed: int, base: int) -> Direction:
        return Restricted(self.inner(params, t, seed, base), self.group(params, t, base).blocks)

    def group(self, params: Params, t: int, base: int) -> Group:
        """Return the active group of a step.

        Args:
            params: the point.
            t: number of the step, from 0.
            base: seed of the run.

        Returns:
            The group.

        Raises:
            Unsuitable: fewer than two groups take part.
        """
        groups, count = self._groups(params)
        sweep, index = divmod(t // self.dwell, count)
        if self.order == "random":
            return groups[_permutation(fold(base, _ORDER, sweep), count)[index]]
        if self.order == "flip-flop":  # 0, 1, ..., n-1, n-2, ..., 1, and again
            index = (t // self.dwell) % (2 * count - 2)
            return groups[min(index, 2 * count - 2 - index)]
        return groups[index if self.order == "ascending" else count - 1 - index]

    def sweep(self, params: Params, t: int) -> int:
        """Return the number of the sweep that a step belongs to: as many turns as there are groups.

        Args:
            params: the point.
            t: number of the step, from 0.

        Returns:
            The number, from 0.

        Raises:
            Unsuitable: fewer than two groups take part.
        """
        return t // (self.dwell * self._groups(params)[1])

    def _groups(self, params: Params) -> tuple[Sequence[Group], int]:
        groups = params.groups_where(self.pick)
        if len(groups) < 2:
            raise Unsuitable("needs at least two groups of blocks: with one it would be MeZO")
        return groups, len(groups)


@lru_cache(maxsize=8)
def _permutation(seed: int, count: int) -> list[int]:
    return np.random.default_rng(seed).permutation(count).tolist()


@dataclass
class Coordinates:
    """Unit vectors times sqrt(d), along n different coordinates per step, in a random order.

    The factor gives the unit second moment; with the mean over n draws the estimate is
    (d/n) sum_i g_i e_i, the exact finite-difference gradient at n = d.

    Args:
        n: number of coordinates per step, at most d; 0: all d.
    """

    n: int = 0

    def __call__(self, params: Params, t: int, seed: int, base: int) -> Direction:
        n = self.n or params.size
        if n > params.size:
            raise Unsuitable(f"needs n <= d: {n} different coordinates, d = {params.size}")
        if not self._unused or self._t != t:
            rng = np.random.default_rng(seed)
            order = rng.choice(params.size, n, replace=False) if n < params.size else range(n)
            self._unused, self._t = [int(i) for i in reversed(order)], t
        return Recipe(((math.sqrt(params.size), Coordinate(self._unused.pop())),))

    def __post_init__(self) -> None:
        self._unused: list[int] = []
        self._t = -1


NAMES = ("gaussian", "hadamard", "rademacher", "sphere", "orthogonal")


def by_name(name: str, n: int) -> Sampler:
    """Return the sampler of a law.

    Args:
        name: "gaussian", "hadamard", "rademacher", "sphere" or "orthogonal".
        n: number of directions per step, which "orthogonal" makes a frame of.

    Returns:
        The sampler.

    Raises:
        BadInput: unknown name.

    Example:
        >>> import numpy as np
        >>> from zobench import VectorParams, samplers
        >>> samplers.by_name("rademacher", 1)(VectorParams(np.zeros(3)), 0, 5, 6)
        Noise(seed=5, law='rademacher')
    """
    if name not in NAMES:
        raise BadInput(f"directions are one of {', '.join(NAMES)}, not {name!r}")
    plain: dict[str, Sampler] = {
        "gaussian": gaussian,
        "hadamard": hadamard,
        "rademacher": rademacher,
        "sphere": sphere,
    }
    return plain.get(name) or Orthogonal(n)


def __getattr__(name: str) -> Any:
    """Return `by_name` under its name of zobench 0.2."""
    if name != "named":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    text = "zobench.samplers.named is now by_name; the old name goes in zobench 0.4"
    warnings.warn(text, DeprecationWarning, stacklevel=2)
    return by_name
