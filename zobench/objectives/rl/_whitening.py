"""Whitening by the running mean and deviation of observations (ARS V2, arXiv:1803.07055)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

ROWS = 1024  # observations that are stored before their moments are computed
SMALLEST = 1e-8  # coordinates with a smaller deviation become 0


@dataclass(frozen=True)
class Moments:
    """Count, mean (n,) and sum of squared deviations (n,) of observations."""

    count: int
    mean: np.ndarray
    squares: np.ndarray

    @classmethod
    def none(cls, size: int) -> Moments:
        """Return the moments of no observation, of `size` coordinates."""
        return cls(0, np.zeros(size), np.zeros(size))

    @classmethod
    def from_rows(cls, rows: np.ndarray) -> Moments:
        """Compute the moments of observations of shape (m, n)."""
        mean = np.add.reduce(rows) / len(rows)
        deviations = rows - mean
        return cls(len(rows), mean, np.add.reduce(deviations * deviations))

    def plus(self, other: Moments) -> Moments:
        """Merge with the moments of other observations (Chan, Golub & LeVeque, 1979).

        The last bits depend on the order of merging.
        """
        count = self.count + other.count
        if not count:
            return self
        delta, share = other.mean - self.mean, other.count / count
        squares = self.squares + other.squares + delta * delta * (self.count * share)
        return Moments(count, self.mean + share * delta, squares)

    @cached_property
    def scale(self) -> np.ndarray:
        """1 / deviation, shape (n,): 0 where it vanishes; 1 for fewer than two observations."""
        if self.count < 2:
            return np.ones_like(self.mean)
        std = np.sqrt(self.squares / (self.count - 1))
        return (std > SMALLEST) / np.maximum(std, SMALLEST)


def recording(
    act: Callable[[Any], Any], size: int, small: bool
) -> tuple[Callable[[Any], Any], Callable[[], Moments]]:
    """Return `act` with a record of its observations of `size` numbers, and their moments so far.

    `act` receives the stored copy: a list if the policy is `small`, an array otherwise.
    """
    before: Moments | None = None
    rows: list[Any] = []
    copy, store, full = (
        (np.ndarray.tolist, rows.extend, ROWS * size) if small else (np.array, rows.append, ROWS)
    )

    def record_and_act(obs: Any) -> Any:
        nonlocal before
        try:
            obs = copy(obs)
        except TypeError:  # from an environment that gives observations of another type
            obs = list(map(float, obs))
        if len(rows) == full:
            before = moments()
            rows.clear()
        store(obs)
        return act(obs)

    def moments() -> Moments:
        new = Moments.from_rows(np.array(rows, float).reshape(-1, size))
        return before.plus(new) if before else new

    return record_and_act, moments
