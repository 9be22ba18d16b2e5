"""A function of y, the coordinates in which it is simple, and the chunks it is summed by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch

from zobench.core.noise import interface as noise
from zobench.objectives.synthetic._kept import kept

CHUNK = 1 << 17  # elements summed at once, in float64: 1 MiB, which stays in a cache


class Function(ABC):
    """f(y) for y of shape (size,), read in chunks; nothing of the size of y is allocated."""

    size: int
    minimum = 0.0  # f at its optimum
    span = 1.0  # f at the start minus the minimum: the unit of the gap
    chunk = CHUNK

    @abstractmethod
    def value(self, y: torch.Tensor) -> float:
        """f(y), summed in float64 whatever the type of y."""

    @abstractmethod
    def slope(self, y: torch.Tensor) -> torch.Tensor:
        """The gradient at y (a subgradient at a kink), a new tensor like y."""

    @abstractmethod
    def place(self, y: torch.Tensor, seed: int) -> None:
        """Fill y with the start of a seed."""

    @abstractmethod
    def settle(self, y: torch.Tensor) -> None:
        """Fill y with a minimiser."""

    def facts(self) -> dict[str, Any]:
        """What is known of the function, for the record."""
        return {}

    def chunks(self, first: int = 0) -> Iterator[tuple[int, int]]:
        """(start, stop) of consecutive chunks of the coordinates from `first` on."""
        for start in range(first, self.size, self.chunk):
            yield start, min(self.size, start + self.chunk)


def signs(seed: int, start: int, stop: int, like: torch.Tensor) -> torch.Tensor:
    """Elements start to stop of a random vector of +1 and -1, in the type and place of `like`.

    To be read, not changed: a short piece is shared with later calls.
    """
    return _signs(seed, start, stop, like.dtype, like.device)


@kept
def _signs(
    seed: int, start: int, stop: int, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    out = torch.zeros(stop - start, dtype=dtype, device=device)
    noise.accumulate(out, ((1.0, seed),), "rademacher", 0, start=start)
    return out


def total(like: torch.Tensor) -> torch.Tensor:
    """A float64 zero on the device of `like`: sums there do not wait for the host."""
    return torch.zeros((), dtype=torch.float64, device=like.device)
