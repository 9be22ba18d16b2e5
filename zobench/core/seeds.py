"""Seeds are values, derived from each other by hashing and never by adding one."""

from __future__ import annotations

import hashlib
import json

import numpy as np

_MASK = (1 << 64) - 1
_STEP, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_STEP_64, _FIRST_64, _SECOND_64 = np.uint64(_STEP), np.uint64(_FIRST), np.uint64(_SECOND)
_30, _27, _31, _1 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(1)


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
        seed = (seed + _STEP * (value + 1)) & _MASK
        seed = ((seed ^ (seed >> 30)) * _FIRST) & _MASK
        seed = ((seed ^ (seed >> 27)) * _SECOND) & _MASK
        seed ^= seed >> 31
    return seed >> 1


def fold_range(seed: int, start: int, stop: int) -> list[int]:
    """Return [fold(seed, start), ..., fold(seed, stop - 1)], in less time than one by one."""
    if not 0 <= start <= stop <= _MASK:
        return [fold(seed, value) for value in range(start, stop)]
    mixed = np.arange(start + 1, stop + 1, dtype=np.uint64)
    mixed *= _STEP_64
    mixed += np.uint64(seed & _MASK)
    mixed ^= mixed >> _30
    mixed *= _FIRST_64
    mixed ^= mixed >> _27
    mixed *= _SECOND_64
    mixed ^= mixed >> _31
    return (mixed >> _1).tolist()


def derive(*parts: str | int) -> int:
    """Return a 63-bit seed of names and numbers. ("ab", "c") differs from ("a", "bc")."""
    digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
