"""Hadamard noise on the CPU: 16 values of a counter, from the 16 bytes of its four words.

Whole chunks of 4096 elements go straight to the output: bytes, rotation and sum stay in registers,
and the memory that the next chunk needs is asked for meanwhile. 16 rows of a chunk are written side
by side, too many for a processor to foresee by itself.

    words[1024] --byte_normal--> 16 numbers per lane --mix, twice--> 16 values --fma--> 16 rows
"""

from __future__ import annotations

from typing import Any

import numpy as np

from zobench.core.noise import layout
from zobench.core.noise.compiled import ask, fma, inlined, within
from zobench.core.noise.elements import load, save, summed

F, U, W = np.float32, np.uint64, np.uint32
LANES, BYTES_CHUNK = layout.LANES, layout.BYTES_CHUNK
N1, N2, N3, N4 = U(LANES), U(2 * LANES), U(3 * LANES), U(4 * LANES)
# of h = t / 2, and with the 1/4 of the rotation: powers of two, which change no bit
A, B, C = F(layout.BYTE_A) / F(2), F(layout.BYTE_B) * F(8), F(layout.BYTE_C) * F(128)
SEGMENT = 64  # bytes of a row that are written between two requests to memory: a cache line
AHEAD = 1  # chunks


@within
def byte_normal(bits: Any) -> Any:
    """Return x / 4 of the byte at bits 15 to 22.

    There it is the mantissa of a number in [1, 2), which gives h = byte / 256 - 255 / 512 without a
    conversion.
    """
    h = F(W(W(bits & W(0x7F8000)) | W(0x3F800000)).view(F) - F(1 + 255 / 512))
    y = h * h
    y = y * y
    return h * fma(fma(C, y, B), y, A)


@within
def mix(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Return the products of four numbers with the Hadamard matrix of four rows."""
    p, q, r, s = a + b, a - b, c + d, c - d
    return p + r, q + s, p - r, q - s


@within
def of_word(word: Any) -> Any:
    """Return the mix of the four bytes of a word."""
    a, b = byte_normal(W(word << W(15))), byte_normal(W(word << W(7)))
    c, d = byte_normal(W(word >> W(1))), byte_normal(W(word >> W(9)))
    return mix(a, b, c, d)


@within
def of_words(words: np.ndarray, i: Any) -> Any:
    """Return the 16 values of a lane, four by four."""
    a0, a1, a2, a3 = of_word(words[i])
    b0, b1, b2, b3 = of_word(words[i + N1])
    c0, c1, c2, c3 = of_word(words[i + N2])
    d0, d1, d2, d3 = of_word(words[i + N3])
    return mix(a0, b0, c0, d0), mix(a1, b1, c1, d1), mix(a2, b2, c2, d2), mix(a3, b3, c3, d3)


@inlined
def expand(words: np.ndarray, low: int, high: int) -> None:
    """Turn the words of lanes low <= i < high into the bits of the values of a chunk, in place."""
    for i in range(U(low), U(high)):
        first, second, third, fourth = of_words(words, i)
        put(words, i, first)
        put(words, i + N4, second)
        put(words, i + N4 + N4, third)
        put(words, i + N4 + N4 + N4, fourth)


@within
def put(words: np.ndarray, k: Any, z: Any) -> None:
    """Set the bits of four values, a row apart."""
    words[k], words[k + N1] = F(z[0]).view(W), F(z[1]).view(W)
    words[k + N2], words[k + N3] = F(z[2]).view(W), F(z[3]).view(W)


@within
def move(out: np.ndarray, k: Any, a: Any, z: Any) -> None:
    """Add a z for four values, a row apart."""
    save(out, k, fma(a, summed(out, z[0]), load(out, k)))
    save(out, k + N1, fma(a, summed(out, z[1]), load(out, k + N1)))
    save(out, k + N2, fma(a, summed(out, z[2]), load(out, k + N2)))
    save(out, k + N3, fma(a, summed(out, z[3]), load(out, k + N3)))


@inlined
def add_lanes(out: np.ndarray, offset: int, words: np.ndarray, a: Any, low: int, high: int) -> None:
    """Add a z of the lanes low <= i < high of a chunk, given its words, to 16 rows of `out`."""
    for i in range(U(low), U(high)):
        first, second, third, fourth = of_words(words, i)
        k = U(offset) + i
        move(out, k, a, first)
        move(out, k + N4, a, second)
        move(out, k + N4 + N4, a, third)
        move(out, k + N4 + N4 + N4, a, fourth)


@inlined
def add_chunk(out: np.ndarray, offset: int, words: np.ndarray, scale: float) -> None:
    """Add scale z of a whole chunk, given its words, to out[offset : offset + BYTES_CHUNK]."""
    a, lanes = summed(out, scale), SEGMENT // out.itemsize
    size = BYTES_CHUNK * out.itemsize
    at = out.ctypes.data + offset * out.itemsize + AHEAD * size
    for begin in range(0, LANES, lanes):
        ask(at + begin * size // LANES, lanes * size // LANES)
        add_lanes(out, offset, words, a, begin, begin + lanes)
