"""Profiles: one number per index, computed at each use; only short pieces are stored.

A spectrum is a profile of eigenvalues with largest value 1. All are float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch

from zobench.errors import BadInput
from zobench.objectives.synthetic._pieces import shared_piece

CHUNK = 1 << 20


class Profile(Protocol):
    """Values v_i for indices i = 0 .. size - 1."""

    @property
    def size(self) -> int:
        """Number of indices."""
        ...

    def at(self, i: torch.Tensor) -> torch.Tensor:
        """Return v_i for float64 indices i."""
        ...


@shared_piece
def part(profile: Profile, start: int, stop: int, device: torch.device) -> torch.Tensor:
    """Return v_start .. v_{stop - 1}, float64; a short part is shared, so only read it."""
    return profile.at(torch.arange(start, stop, dtype=torch.float64, device=device))


def moment(profile: Profile, power: float) -> float:
    """Return sum_i v_i^power, in float64, chunk by chunk."""
    cpu, sums = torch.device("cpu"), 0.0
    for start in range(0, profile.size, CHUNK):
        values = part(profile, start, min(profile.size, start + CHUNK), cpu)
        sums += float((values if power == 1 else values**power).sum())
    return sums


@dataclass(frozen=True)
class Power:
    """The values (i + 1)^-exponent: heavy-tailed below exponent 1, nearly low-rank above."""

    size: int
    exponent: float

    def at(self, i: torch.Tensor) -> torch.Tensor:
        return (i + 1.0).pow_(-self.exponent)


@dataclass(frozen=True)
class Spiked:
    """The value 1 for the first `spikes` indices; the others share `tail` times their sum."""

    size: int
    spikes: int
    tail: float

    @property
    def rest(self) -> float:
        """Value of the indices after the spikes."""
        return self.tail * self.spikes / (self.size - self.spikes) if self.tail else 0.0

    def at(self, i: torch.Tensor) -> torch.Tensor:
        return torch.full_like(i, self.rest).masked_fill_(i < self.spikes, 1.0)


@dataclass(frozen=True)
class Only:
    """Another profile on the first `count` indices, 0 elsewhere."""

    inner: Profile
    count: int

    @property
    def size(self) -> int:
        return self.inner.size

    def at(self, i: torch.Tensor) -> torch.Tensor:
        return self.inner.at(i).masked_fill_(i >= self.count, 0.0)


@dataclass(frozen=True)
class Blocks:
    """Another profile in each block of equal size, times the factor of the block."""

    inner: Profile
    factors: tuple[float, ...]

    @property
    def size(self) -> int:
        return self.inner.size * len(self.factors)

    @cached_property
    def _factors(self) -> torch.Tensor:
        return torch.tensor(self.factors, dtype=torch.float64)

    def at(self, i: torch.Tensor) -> torch.Tensor:
        block = torch.div(i, self.inner.size, rounding_mode="floor")
        within = self.inner.at(i - block * self.inner.size)
        return within.mul_(self._factors.to(i.device)[block.long()])


def harmonic(size: int, exponent: float) -> float:
    """Return sum_{i=1}^{size} i^-exponent.

    It has 1,000 terms and then the Euler-Maclaurin formula, with a relative error below 1e-12.
    """
    i = np.arange(1.0, min(size, 1000) + 1.0)
    head = float((i**-exponent).sum())
    if size <= 1000:
        return head
    m, n, p = 1000.0, float(size), exponent
    ratio = math.log(n / m)  # the integral of x^-p, also near p = 1
    integral = m ** (1.0 - p) * (math.expm1((1.0 - p) * ratio) / (1.0 - p) if p != 1.0 else ratio)
    return head + integral + (n**-p - m**-p) / 2.0 + p / 12.0 * (m ** (-p - 1.0) - n ** (-p - 1.0))


def exponent_of_rank(size: int, rank: float) -> float:
    """Return the exponent p with sum_i i^-p = rank: trace over norm of a power law.

    Raises BadInput unless 1 < rank <= size.
    """
    if not 1.001 <= rank <= size:
        raise BadInput(f"rank is a number from 1.001 to the dimension {size}, not {rank}")
    low, high = 0.0, 16.0  # the sum is `size` at 0, and below 1.0001 at 16
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if harmonic(size, middle) > rank else (low, middle)
    return 0.5 * (low + high)


def quantile_factors(count: int, spread: float) -> np.ndarray:
    """Return `count` factors with logarithms spread * (normal quantiles), ascending, largest 1."""
    from scipy.stats import norm

    values = np.exp(spread * norm.ppf((np.arange(count) + 0.5) / count))
    return values / values[-1]
