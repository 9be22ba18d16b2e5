"""Jobs: the numbers that a kernel takes, as bytes (see the kernels for what they are).

`q` is an integer of 64 bits and `d` a float64. Arrays are named by their `id`, which takes a tenth
of the time that the address of their elements takes. So they must live until the kernel ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct, pack
from typing import Any

accumulate = Struct("qqqdqqqqq").pack
pair = Struct("qqddqqqqq").pack
round_stochastic = Struct("5q").pack


def rows(head: Sequence[int], scales: Sequence[float] | Any, seeds: Sequence[int] | Any) -> bytes:
    """Return the numbers of `head`, then the scales, then as many seeds."""
    return pack(f"{len(head)}q{len(scales)}d{len(seeds)}q", *head, *scales, *seeds)
