"""A function of a tensor y, in coordinates where it is simple, summed chunk by chunk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch

from zobench.core.noise import interface as noise
from zobench.objectives.synthetic._pieces import shared_piece

CHUNK = 1 << 17  # elements summed at once, in float64: 1 MiB, which stays in a cache


class ChunkedFunction(ABC):
    """A function f of y, shape (size,), which is read in chunks: no copy of y is made."""

    size: int
    minimum = 0.0  # f at its optimum
    span = 1.0  # f at the start minus the minimum: the unit of the gap
    chunk = CHUNK

    @abstractmethod
    def value(self, y: torch.Tensor) -> float:
        """Return f(y), summed in float64 for any type of y."""

    @abstractmethod
    def slope(self, y: torch.Tensor) -> torch.Tensor:
        """Return the gradient at y (a subgradient at a kink), a new tensor like y."""

    @abstractmethod
    def fill_start(self, y: torch.Tensor, seed: int) -> None:
        """Fill y with the start of a seed."""

    @abstractmethod
    def fill_optimum(self, y: torch.Tensor) -> None:
        """Fill y with a minimiser."""

    def facts(self) -> dict[str, Any]:
        """Return facts about the function, for the record of a run."""
        return {}

    def chunks(self, first: int = 0) -> Iterator[tuple[int, int]]:
        """Yield (start, stop) of consecutive chunks of the coordinates from `first` on."""
        for start in range(first, self.size, self.chunk):
            yield start, min(self.size, start + self.chunk)


def signs(seed: int, start: int, stop: int, like: torch.Tensor) -> torch.Tensor:
    """Return elements start to stop of a random vector of 1 and -1, of type and device of `like`.

    They must not be changed, as a short piece is shared with later calls.
    """
    return _signs(seed, start, stop, like.dtype, like.device)


@shared_piece
def _signs(
    seed: int, start: int, stop: int, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    out = torch.zeros(stop - start, dtype=dtype, device=device)
    noise.accumulate(out, ((1.0, seed),), "rademacher", 0, start=start)
    return out


def total(like: torch.Tensor) -> torch.Tensor:
    """Return a float64 zero on the device of `like`, where sums do not wait for the host."""
    return torch.zeros((), dtype=torch.float64, device=like.device)
