"""Pieces of long vectors, computed at each use: short ones are computed once and shared."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

import torch

LONGEST = 1 << 14  # elements of a piece that is shared: at most 128 KiB


def shared_piece(make: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Share the short, read-only pieces that make(function, start, stop, ...) returns."""
    cached = lru_cache(maxsize=16)(make)

    @wraps(make)
    def piece(function: Any, start: int, stop: int, *options: Any) -> torch.Tensor:
        return (cached if stop - start <= LONGEST else make)(function, start, stop, *options)

    return piece
