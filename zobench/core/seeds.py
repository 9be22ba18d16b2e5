"""Seeds: randomness is a value, derived by hashing and never by adding one."""

from __future__ import annotations

import hashlib
import json

_MASK = (1 << 64) - 1


def fold(seed: int, *data: int) -> int:
    """A 63-bit seed that depends on every argument (SplitMix64); the same on every machine.

    For one `seed`, different single integers give different results: the mix is a bijection
    (up to the dropped low bit).
    """
    for value in data:
        seed = (seed + 0x9E3779B97F4A7C15 * (value + 1)) & _MASK
        seed = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        seed = ((seed ^ (seed >> 27)) * 0x94D049BB133111EB) & _MASK
        seed ^= seed >> 31
    return seed >> 1


def derive(*parts: str | int) -> int:
    """A 63-bit seed of names and numbers, by BLAKE2b; ("ab", "c") differs from ("a", "bc")."""
    digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
