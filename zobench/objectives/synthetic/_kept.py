"""Pieces of long vectors that are computed where they are needed: short ones are kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

import torch

KEPT = 1 << 14  # elements: at most 128 KiB a piece


def kept(make: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """make(of, start, stop, ...), a piece to be read: a short one is made once, and shared."""
    known = lru_cache(maxsize=16)(make)

    @wraps(make)
    def piece(of: Any, start: int, stop: int, *where: Any) -> torch.Tensor:
        return (known if stop - start <= KEPT else make)(of, start, stop, *where)

    return piece
