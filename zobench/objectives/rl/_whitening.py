"""Whitening: running mean and deviation of observations (ARS V2, arXiv:1803.07055, Algorithm 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

ROWS = 1024  # observations that are kept at once
SMALLEST = 1e-8  # a coordinate that deviates less never reaches the policy


@dataclass(frozen=True)
class Moments:
    """count, mean (n,) and sum of squared deviations (n,) of observations; a frozen value."""

    count: int
    mean: np.ndarray
    squares: np.ndarray

    @classmethod
    def none(cls, size: int) -> Moments:
        """Of no observation."""
        return cls(0, np.zeros(size), np.zeros(size))

    @classmethod
    def of(cls, rows: np.ndarray) -> Moments:
        """Of observations of shape (m, n)."""
        mean = np.add.reduce(rows) / len(rows)
        apart = rows - mean
        return cls(len(rows), mean, np.add.reduce(apart * apart))

    def plus(self, other: Moments) -> Moments:
        """Of both (Chan, Golub & LeVeque, 1979): the order of merging fixes the bits."""
        count = self.count + other.count
        if not count:
            return self
        delta, share = other.mean - self.mean, other.count / count
        squares = self.squares + other.squares + delta * delta * (self.count * share)
        return Moments(count, self.mean + share * delta, squares)

    @cached_property
    def scale(self) -> np.ndarray:
        """1 / deviation, shape (n,): 0 where it vanishes, 1 before there are two observations."""
        if self.count < 2:
            return np.ones_like(self.mean)
        std = np.sqrt(self.squares / (self.count - 1))
        return (std > SMALLEST) / np.maximum(std, SMALLEST)


def recording(
    act: Callable[[Any], Any], size: int, few: bool
) -> tuple[Callable[[Any], Any], Callable[[], Moments]]:
    """`act` that notes a copy of every observation of `size` numbers; the moments of those so far.

    The copy is what it acts on: a list where the numbers are `few`, an array otherwise.
    """
    before: Moments | None = None
    kept: list[Any] = []
    copied, note, full = (
        (np.ndarray.tolist, kept.extend, ROWS * size) if few else (np.array, kept.append, ROWS)
    )

    def recorded(obs: Any) -> Any:
        nonlocal before
        try:
            obs = copied(obs)
        except TypeError:  # a careless environment's, of another type
            obs = list(map(float, obs))
        if len(kept) == full:
            before = moments()
            kept.clear()
        note(obs)
        return act(obs)

    def moments() -> Moments:
        new = Moments.of(np.array(kept, float).reshape(-1, size))
        return before.plus(new) if before else new

    return recorded, moments
