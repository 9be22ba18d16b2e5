"""The function of `block-quadratic`, with its closed forms for each block."""

from __future__ import annotations

from typing import Any

import numpy as np

from zobench.core.seeds import derive
from zobench.errors import BadInput, unknown
from zobench.objectives.synthetic._profiles import Blocks, Power, moment, quantile_factors
from zobench.objectives.synthetic._quadratic import FLAT, Quadratic

ORDERS = 2000  # that are tried for a covariance near zero


class BlockQuadratic(Quadratic):
    """Blocks of `width` coordinates; block b has trace t_b and gradient energy e_b."""

    def __init__(
        self,
        width: int,
        blocks: int,
        correlation: str,
        spread: float,
        exponent: float,
        energy: float,
        instance: int,
    ) -> None:
        """Raises BadInput for an unknown correlation and for a spread that is too large."""
        factors = quantile_factors(blocks, spread)
        if factors[0] * float(width) ** -exponent < FLAT:
            raise BadInput(f"spread {spread} and exponent {exponent} give eigenvalues below {FLAT}")
        t, e = _deal(factors, correlation, np.random.default_rng(derive("blocks", instance)))
        inner, shares = Power(width, exponent), Power(width, energy)
        gaps = e / t  # the gap of a block at the start, up to a constant
        super().__init__(Blocks(inner, tuple(t.tolist())), Blocks(shares, tuple(gaps.tolist())))
        self._traces = t * moment(inner, 1)
        # |g_b|^2 = 2 sum_j l_j (gap in direction j), where the gaps sum to 1 over all directions
        slope = moment(Power(width, exponent + energy), 1) / moment(shares, 1)
        self._energies_at_start = 2.0 * t * gaps / gaps.sum() * slope

    def traces(self) -> np.ndarray:
        """Return t_b = tr H_b, shape (blocks,)."""
        return self._traces.copy()

    def energies(self) -> np.ndarray:
        """Return e_b = |g_b|^2 at the start, equal for all seeds, shape (blocks,)."""
        return self._energies_at_start.copy()

    def bcd_gain(self) -> float:
        """Return (sum e)(sum t) / (N sum e t): the gain of random blocks, at one learning rate."""
        t, e = self._traces, self._energies_at_start
        return float(e.sum() * t.sum() / (len(t) * (e * t).sum()))

    def facts(self) -> dict[str, Any]:
        return super().facts() | {"bcd_gain": self.bcd_gain()}


def _deal(
    factors: np.ndarray, correlation: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return (t, e): the factors in a random order, and in one of that correlation to it."""
    if correlation == "positive":
        e = factors
    elif correlation == "negative":
        e = factors[::-1]
    elif correlation == "none":
        orders = [rng.permutation(factors) for _ in range(ORDERS)]
        even = factors.mean() * factors.sum()
        e = min(orders, key=lambda order: abs(float(order @ factors) - even))
    else:
        raise unknown("correlation", correlation, ["none", "positive", "negative"])
    order = rng.permutation(len(factors))
    return factors[order], e[order]
