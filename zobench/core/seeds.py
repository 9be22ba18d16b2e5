"""Seeds are values, derived from each other by hashing and never by adding one."""

from __future__ import annotations

import hashlib
import json

MASK = (1 << 64) - 1
STEP, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def fold(seed: int, *data: int) -> int:
    """Derive a seed that depends on every argument, and is the same on every machine.

    The mix is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). For one `seed`, different single
    integers give different results, as it is a bijection up to the dropped low bit.

    Args:
        seed: an integer.
        *data: integers to mix in, such as the number of a step.

    Returns:
        An integer of 63 bits.

    Example:
        >>> zobench.fold(1, 2) == zobench.fold(1, 2)
        True
        >>> zobench.fold(1, 2) == zobench.fold(1, 3)
        False
    """
    for value in data:
        seed = (seed + STEP * (value + 1)) & MASK
        seed = ((seed ^ (seed >> 30)) * FIRST) & MASK
        seed = ((seed ^ (seed >> 27)) * SECOND) & MASK
        seed ^= seed >> 31
    return seed >> 1


def derive(*parts: str | int) -> int:
    """Return a 63-bit seed of names and numbers. ("ab", "c") differs from ("a", "bc")."""
    digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
