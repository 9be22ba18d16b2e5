"""Noise as `layout` defines it, in plain NumPy, Box-Muller in float64: the reference of kernels."""

from __future__ import annotations

import numpy as np

from zobench.core.noise.layout import BITS_CHUNK, CHUNK, LANES, LAWS, M0, M1, ROUNDS, W0, W1
from zobench.errors import unknown

_LOW = 0xFFFFFFFF


def philox(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Return Philox-4x32-10 (Salmon et al. 2011, section 5.3) of counters (4, n), uint32 words."""
    c0, c1, c2, c3 = np.asarray(counter).astype(np.uint64)
    k0, k1 = key
    for _ in range(ROUNDS):
        p0, p1 = np.uint64(M0) * c0, np.uint64(M1) * c2
        c0, c1 = (p1 >> 32) ^ c1 ^ np.uint64(k0), p1 & _LOW
        c2, c3 = (p0 >> 32) ^ c3 ^ np.uint64(k1), p0 & _LOW
        k0, k1 = (k0 + W0) & _LOW, (k1 + W1) & _LOW
    return np.stack([c0, c1, c2, c3]).astype(np.uint32)


def values(law: str, seed: int, block: int, stream: int, start: int, stop: int) -> np.ndarray:
    """Return elements `start` to `stop` of a stream, float32, shape (stop - start,).

    Raises BadInput for an unknown law.
    """
    if law not in LAWS:
        raise unknown("law", law, LAWS)
    element = np.arange(start, stop)
    index = element // (BITS_CHUNK if law == "rademacher" else CHUNK) * LANES + element % LANES
    tags = [np.full_like(index, block), np.full_like(index, stream)]
    words = philox(np.stack([index & _LOW, index >> 32, *tags]), (seed & _LOW, seed >> 32))
    j = element % CHUNK // LANES
    here = np.arange(element.size)
    if law == "rademacher":
        bit = words[j, here] >> (element % BITS_CHUNK // CHUNK).astype(np.uint32) & 1
        return np.where(bit == 1, 1, -1).astype(np.float32)
    if law == "uniform":
        return (words[j, here] >> 8).astype(np.float32) * np.float32(2**-24)
    first, second = words[j // 2 * 2, here] >> 8, words[j // 2 * 2 + 1, here] >> 8
    u = np.float64((first.astype(np.float32) + np.float32(0.5)) * np.float32(2**-24))
    turn = 2 * np.pi * (second * 2.0**-24 - 0.5)
    return (np.sqrt(-2 * np.log(u)) * np.where(j % 2, np.sin(turn), np.cos(turn))).astype(
        np.float32
    )
