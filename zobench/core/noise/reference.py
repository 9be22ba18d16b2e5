"""Noise as `layout` defines it, in plain NumPy, Box-Muller in float64: the reference of kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from zobench.core.noise.layout import (
    BITS_CHUNK,
    BYTE_A,
    BYTE_B,
    BYTE_C,
    BYTE_KEY,
    BYTES_CHUNK,
    CHUNK,
    LANES,
    LAWS,
    M0,
    M1,
    ROUNDS,
    W0,
    W1,
)
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
    size = {"rademacher": BITS_CHUNK, "hadamard": BYTES_CHUNK}.get(law, CHUNK)
    index = element // size * LANES + element % LANES
    tags = [np.full_like(index, block), np.full_like(index, stream)]
    key = (seed & _LOW, seed >> 32 | (BYTE_KEY if law == "hadamard" else 0))
    words = philox(np.stack([index & _LOW, index >> 32, *tags]), key)
    here = np.arange(element.size)
    if law == "hadamard":
        return rotated(byte_normals()[bytes_of(words)])[element % BYTES_CHUNK // LANES, here]
    j = element % CHUNK // LANES
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


def byte_normals() -> np.ndarray:
    """Return x of each byte, float32, shape (256,): the numbers that hadamard rotates.

    Operations and their order are those of kernels, on x / 4, a power of two apart.
    """
    t = (2 * np.arange(256, dtype=np.float64) - 255) / 256
    y = np.float64(_rounded(_rounded(t * t) ** 2))
    p = _rounded(np.float64(np.float32(BYTE_C)) * y + np.float64(np.float32(BYTE_B)))
    p = _rounded(np.float64(p) * y + np.float64(np.float32(BYTE_A)))
    return _rounded(t * p)


def bytes_of(words: np.ndarray) -> np.ndarray:
    """Return the 16 bytes of four words, shape (4, n) to (16, n): byte b of word w at 4 b + w."""
    return np.concatenate([words >> np.uint32(8 * b) & np.uint32(255) for b in range(4)])


def rotated(x: np.ndarray) -> np.ndarray:
    """Return H x / 4, float32, for x of shape (16, n) and the Hadamard matrix H of 16 rows.

    Sums are of pairs whose numbers differ in bit 2, 3, 0 and 1 of n, in this order.
    """
    z = (x * np.float32(0.25)).reshape(2, 2, 2, 2, -1)
    for axis in (1, 0, 3, 2):
        first, second = np.take(z, 0, axis), np.take(z, 1, axis)
        z = np.stack([first + second, first - second], axis)
    return z.reshape(16, -1)


def _rounded(exact: Any) -> Any:
    """Return float64 numbers rounded to float32: once, as float64 holds these products."""
    return exact.astype(np.float32)
