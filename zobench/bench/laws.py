"""`zobench bench law`: evidence that a law of noise is as good as normal for directions.

A row is a figure, the value that independent normals would give, and how far apart the two are: in
standard errors where the figure is a mean over draws, else as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

import numpy as np
from scipy import special, stats

from zobench.core.noise import interface as noise
from zobench.core.noise import reference
from zobench.core.noise.layout import BYTES_CHUNK, LANES
from zobench.errors import BadInput, unknown

DIMENSION = 256  # of the linear functions: d + 2 must differ from d + 1 by more than an error
PIECE = 1 << 20  # values at once
LEAST = 1 << 17  # values that show anything


@dataclass(frozen=True)
class Fact:
    """A figure of a law beside that of independent normals."""

    name: str
    value: float
    normal: float
    error: float = 0.0  # standard error; 0: exact

    @property
    def apart(self) -> float:
        """The distance in standard errors, or as it is where the figure is exact."""
        return (self.value - self.normal) / (self.error or 1.0)


def byte_moments(orders: tuple[int, ...] = (2, 4, 6, 8)) -> dict[int, Fraction]:
    """Return exact moments of the number that a byte gives, as rationals: all 256 are summed."""
    values = [Fraction(float(x)) for x in reference.byte_normals()]
    return {order: sum((x**order for x in values), Fraction(0)) / 256 for order in orders}


def exact() -> list[Fact]:
    """Return moments of hadamard noise without any draw.

    Its values are a rotation of 16 independent bytes' numbers. Joint cumulants of order r are then
    sums of the bytes' cumulants of order r, which are 0 for odd r by symmetry, and for r = 4 and 6
    as moments 2, 4 and 6 are 1, 3 and 15. So joint moments of orders up to 7 are those of normals,
    and E |z (z a)|^2 = (d + 2) |a|^2 for every a.
    """
    moments = byte_moments()
    facts = [Fact(f"moment {k} of a byte's number", float(moments[k]), n) for k, n in
             ((2, 1.0), (4, 3.0), (6, 15.0))]  # fmt: skip
    m2, m4, m6, m8 = (float(moments[k]) for k in (2, 4, 6, 8))
    eighth = m8 - 28 * m6 * m2 - 35 * m4**2 + 420 * m4 * m2**2 - 630 * m2**4  # cumulant
    facts.append(Fact("moment 8 of a value", 105 + eighth / 16**3, 105.0))
    facts.append(Fact("product of values 0 to 7 of a counter", 16 * eighth / 4**8, 0.0))
    matrix = reference.rotated(np.eye(16, dtype=np.float32)).astype(np.float64)
    largest = float(abs(matrix @ matrix.T - np.eye(16)).max())
    facts.append(Fact("largest entry of |H Ht / 16 - I|", largest, 0.0))
    return facts


def drawn(law: str, count: int, seed: int = 1) -> Iterator[Fact]:
    """Yield figures of `count` values, in the order of their elements."""
    total, worst, edge = np.zeros(9), 0.0, np.linspace(-5, 5, 2001)
    below = np.zeros(len(edge))
    for start in range(0, count, PIECE):
        z = noise.values(law, seed, 0, 0, start, min(count, start + PIECE)).astype(np.float64)
        total += [np.sum(z**k) for k in range(9)]
        below += np.searchsorted(np.sort(z), edge, side="right")
        worst = max(worst, float(abs(z).max()))
    for order, expected in ((1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0), (6, 15.0), (8, 105.0)):
        variance = special.factorial2(2 * order - 1) - expected**2
        yield Fact(f"moment {order}", total[order] / count, expected, math.sqrt(variance / count))
    distance = float(abs(below / count - stats.norm.cdf(edge)).max())
    yield Fact("Kolmogorov-Smirnov distance", distance, 0.0, 1.0 / math.sqrt(count))
    yield Fact("largest value", worst, float(stats.norm.isf(0.5 / count)))


def linear(law: str, draws: int) -> Fact:
    """Return E |g|^2 / |a|^2 for estimates g = z (z a) of linear functions: d + 2 for normals.

    a is a new random direction for every 16 draws, so that no relation to the rotation is special.
    """
    rng, ratios = np.random.default_rng(0), []
    for k in range(draws // 16):
        a = rng.standard_normal(DIMENSION)
        z = np.zeros((16, DIMENSION))
        noise.rows(z, np.ones(16), law, [16 * k + i for i in range(16)], 0)
        ratios.append((z @ a) ** 2 * np.sum(z * z, 1) / (a @ a))
    values = np.concatenate(ratios)
    error = float(values.std() / math.sqrt(len(values)))
    return Fact(f"E |g|^2 / |a|^2 at d = {DIMENSION}", float(values.mean()), DIMENSION + 2.0, error)


def related(law: str, count: int) -> Iterator[Fact]:
    """Yield the largest correlation of pairs of streams, and of elements at fixed distances.

    Values and their squares. A figure is the largest of many in standard errors, beside the one
    that as many independent normal figures have as their median.
    """

    def values(seed: int = 5, block: int = 0, stream: int = 0, start: int = 0) -> np.ndarray:
        return noise.values(law, seed, block, stream, start, start + count).astype(np.float64)

    base = values()
    groups = {
        "seeds": [values(seed=5 + 2**k) for k in range(1, 62, 4)],
        "blocks": [values(block=2**k) for k in range(0, 32, 2)],
        "streams": [values(stream=2**k) for k in range(0, 32, 2)],
        "rows of a chunk": [values(start=LANES * k) for k in range(1, 16)],
        "neighbours and chunks": [values(start=k) for k in (1, 2, 3, 64, BYTES_CHUNK, 2**15)],
    }
    for name, others in groups.items():
        found = []
        for other in others:
            found.append(np.mean(base * other) * math.sqrt(count))
            found.append(np.mean((base**2 - 1) * (other**2 - 1)) / 2 * math.sqrt(count))
        usual = float(stats.norm.isf((1 - 0.5 ** (1 / len(found))) / 2))
        yield Fact(f"correlation of {name}", float(max(map(abs, found))), usual, 1.0)


def directions(law: str, count: int) -> Iterator[Fact]:
    """Yield how far sums of elements are from normal: of two, of 16, and in the weak direction.

    The 16 values of one counter, added up with the signs of a row of the matrix and divided by 4,
    are the number of one byte: one of 256. Sums of 15 of them are nearly that.
    """
    chunks = count // BYTES_CHUNK
    z = noise.values(law, 3, 0, 0, 0, chunks * BYTES_CHUNK).reshape(chunks, 16, LANES)
    rows = z.transpose(0, 2, 1).reshape(-1, 16).astype(np.float64)
    rng = np.random.default_rng(1)
    turned = rng.standard_normal(16)
    cases = {
        "two values of a counter": rows[:, :2].sum(1) / math.sqrt(2),
        "16 values along a random direction": rows @ turned / np.linalg.norm(turned),
        "15 values of a counter": rows[:, :15].sum(1) / math.sqrt(15),
        "16 values of a counter (weak)": rows.sum(1) / 4,
    }
    for name, sums in cases.items():
        distance = float(stats.kstest(sums, stats.norm.cdf).statistic)
        yield Fact(f"KS distance, {name}", distance, 0.0, 1.0 / math.sqrt(len(sums)))


def facts(law: str, count: int) -> Iterator[Fact]:
    """Yield all figures of a law. Raises BadInput for a law or a count that cannot be measured."""
    if law not in noise.LAWS:
        raise unknown("law", law, noise.LAWS)
    if count < LEAST:
        raise BadInput(f"count is a number of at least {LEAST}, not {count}")
    if law == "hadamard":
        yield from exact()
    yield from drawn(law, count)
    yield linear(law, max(1600, count // 64))
    yield from related(law, max(10_000, count // 16))
    yield from directions(law, count)


def write_words(law: str, out: BinaryIO, seed: int = 1, in_order: bool = False) -> None:
    """Write 32-bit words without an end, for test batteries: two values give one.

    A value gives the first 16 bits of its normal distribution function, uniform if it is normal.
    The 16 values of a counter follow each other, where a relation between them would show most,
    unless they are wanted `in_order` of the elements.
    """
    start = 0
    try:
        while True:
            z = noise.values(law, seed, 0, 0, start, start + PIECE).astype(np.float64)
            if not in_order:
                z = z.reshape(-1, BYTES_CHUNK // LANES, LANES).swapaxes(1, 2)
            out.write(np.minimum(special.ndtr(z) * 2**16, 2**16 - 1).astype(np.uint16).tobytes())
            start += PIECE
    except BrokenPipeError:
        return
