"""Noise on a loss: a law, a level, and what one draw is shared by.

Laws act on the gap g = f - f* and never on the score. `uniform`, `cauchy` and `multiplicative`
are the three models of the noisy BBOB functions (Hansen, Finck, Ros & Auger, 2009). Deviation:
BBOB adds the constant 1.01e-8, and may have no noise at the optimum; here there is always noise.
Levels 0.01 and 1 are the "moderate" and the "severe" noise of BBOB.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from zobench.core.noise import interface as noise
from zobench.core.seeds import derive
from zobench.errors import BadInput, unknown

KINDS = ("fresh", "shared", "frozen")
# (law, k) -> k independent draws per row, shape (k, n or 1)
NoiseDraw = Callable[[str, int], np.ndarray]
# (gaps, level, dim, draw) -> noisy gaps
Law = Callable[[np.ndarray, float, int, NoiseDraw], np.ndarray]


def additive(gaps: np.ndarray, level: float, dim: int, draw: NoiseDraw) -> np.ndarray:
    """Return g + level n, n standard normal."""
    return gaps + level * draw("gaussian", 1)[0]


def student(gaps: np.ndarray, level: float, dim: int, draw: NoiseDraw) -> np.ndarray:
    """Return g + level t / sqrt(3), t Student with 3 degrees of freedom: variance level^2."""
    n = draw("gaussian", 4)
    return gaps + level * n[0] / np.sqrt(n[1] ** 2 + n[2] ** 2 + n[3] ** 2)


def multiplicative(gaps: np.ndarray, level: float, dim: int, draw: NoiseDraw) -> np.ndarray:
    """Return g exp(level n): BBOB's Gaussian model with beta = level."""
    return gaps * np.exp(level * draw("gaussian", 1)[0])


def uniform(gaps: np.ndarray, level: float, dim: int, draw: NoiseDraw) -> np.ndarray:
    """Return g u^level max(1, (1e9 / g)^(a v)), a = level (0.49 + 1/dim)."""
    u, v = draw("uniform", 2)
    alpha = level * (0.49 + 1.0 / dim)
    return u**level * gaps * np.maximum(1.0, (1e9 / (np.abs(gaps) + 1e-99)) ** (alpha * v))


def cauchy(gaps: np.ndarray, level: float, dim: int, draw: NoiseDraw) -> np.ndarray:
    """Return g + level max(0, 1000 + c), c Cauchy in a share p of the cases, else 0.

    p = 0.2 level^log10(2), at most 1, which is BBOB's 0.05 at 0.01 and 0.2 at 1.
    """
    p = min(1.0, 0.2 * level ** math.log10(2.0))
    hit, n = draw("uniform", 1)[0] < p, draw("gaussian", 2)
    return gaps + level * np.maximum(0.0, 1e3 + hit * n[0] / (np.abs(n[1]) + 1e-199))


LAWS: dict[str, Law] = {
    law.__name__: law for law in (additive, multiplicative, uniform, cauchy, student)
}


@dataclass(frozen=True)
class LossNoise:
    """A law at a level: a function from gaps to noisy gaps; equal arguments give equal noise.

    kind "fresh": one draw per query, from the seed of the call and the row. "shared": one draw per
    call, for all its rows (common random numbers). "frozen": a function of the bits of the point
    and of the dimension alone, so that the noisy function is deterministic and rugged.
    """

    law: str
    level: float
    kind: str
    dim: int

    def __call__(self, gaps: np.ndarray, points: np.ndarray, seed: int) -> np.ndarray:
        """Return noisy gaps, shape (n,), of gaps (n,) and points (n, d), or their bytes."""
        return LAWS[self.law](gaps, self.level, self.dim, self._draws(points, seed))

    def _draws(self, points: np.ndarray, seed: int) -> NoiseDraw:
        if self.kind == "shared":
            return lambda law, k: _values(law, seed, k).reshape(k, 1)
        if self.kind == "fresh":
            n = len(points)
            return lambda law, k: _values(law, seed, n * k).reshape(n, k).T
        seeds = [seed_of(row) ^ derive("frozen noise", self.law, self.dim) for row in points]
        return lambda law, k: np.array([_values(law, s, k) for s in seeds]).T


def _values(law: str, seed: int, count: int) -> np.ndarray:
    """Return draws 0 .. count - 1; Gaussian and uniform draws of one seed are independent."""
    return noise.values(law, seed, 0, _STREAM[law], 0, count).astype(np.float64)


_STREAM = {"gaussian": 101, "uniform": 102}  # apart from the streams that directions use


def seed_of(point: np.ndarray) -> int:
    """Return a 63-bit seed from the bits of an array; 0.0 and -0.0 are the same point."""
    if point.dtype.kind == "f":
        point = point + 0.0
    return int.from_bytes(blake2b(np.ascontiguousarray(point).data, digest_size=8).digest()) >> 1


def loss_noise(law: str, level: float, kind: str, dim: int) -> LossNoise | None:
    """Return the noise of `noise`, `noise_level` and `noise_kind`; None for "none".

    Raises BadInput on an unknown law or kind and on a level that is not a number >= 0.
    """
    if law != "none" and law not in LAWS:
        raise unknown("noise", law, ["none", *LAWS])
    if kind not in KINDS:
        raise unknown("noise_kind", kind, KINDS)
    if not 0.0 <= level < math.inf:
        raise BadInput(f"noise_level is a standard deviation or scale >= 0, not {level!r}")
    return None if law == "none" else LossNoise(law, level, kind, dim)


def apply_noise(problem: Any, model: LossNoise | None) -> None:
    """Set what follows from the noise: `stochastic`, and which point of the problem is scored."""
    problem.stochastic = model is not None and model.kind != "frozen"
    problem.scored = "best" if model is None else "current"
