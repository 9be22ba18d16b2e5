"""Quadratics with a given spectrum and start, f(y) = 1/2 sum_i l_i (y_i - y*_i)^2."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch

from zobench.core.seeds import derive
from zobench.objectives.synthetic._function import ChunkedFunction, signs, total
from zobench.objectives.synthetic._profiles import CHUNK, Profile, moment, part

FLAT = 1e-12  # directions of less curvature start at their optimum: the way there is too long


class Quadratic(ChunkedFunction):
    """A quadratic of curvatures `spectrum`, largest 1; its gap at the start is 1.

    The start has y_i - y*_i = +-(2 e_i / l_i)^1/2, with e_i the profile `energy` normalised to sum
    1 over the directions with l_i >= 1e-12, and signs from the start's seed. y* = +-shift.
    """

    def __init__(self, spectrum: Profile, energy: Profile, shift: float = 0.0) -> None:
        self.spectrum, self.energy, self.shift = spectrum, energy, shift
        self.size = spectrum.size

    def value(self, y: torch.Tensor) -> float:
        sums = total(y)
        for start, stop in self.chunks():
            c = self._offset(y[start:stop], start)
            sums += (part(self.spectrum, start, stop, y.device) * c).dot(c)
        return 0.5 * float(sums)

    def slope(self, y: torch.Tensor) -> torch.Tensor:
        g = torch.empty_like(y)
        for start, stop in self.chunks():
            c = self._offset(y[start:stop], start)
            g[start:stop] = part(self.spectrum, start, stop, y.device) * c
        return g

    def fill_start(self, y: torch.Tensor, seed: int) -> None:
        self.fill_optimum(y)
        key = derive("start of a quadratic", seed)
        for start, stop in self.chunks():
            squares = 2.0 * self._energies(start, stop, y.device)
            squares /= part(self.spectrum, start, stop, y.device).clamp(min=FLAT)
            y[start:stop] += (squares / self._energy).sqrt_() * signs(key, start, stop, squares)

    def fill_optimum(self, y: torch.Tensor) -> None:
        y.zero_()
        for start, stop in self.chunks() if self.shift else ():
            y[start:stop] = self.shift * signs(_SHIFT, start, stop, y)

    def trace(self) -> float:
        """Return sum_i l_i, which is the effective rank (intrinsic dimension): the largest is 1."""
        return moment(self.spectrum, 1)

    def norms(self) -> dict[str, float]:
        """Return the operator and the Frobenius norm of the Hessian."""
        return {"operator": 1.0, "frobenius": moment(self.spectrum, 2) ** 0.5}

    def facts(self) -> dict[str, Any]:
        stable = self.norms()["frobenius"] ** 2
        return {"effective_rank": self.trace(), "stable_rank": stable}

    def _offset(self, y: torch.Tensor, start: int) -> torch.Tensor:
        """Return y - y* on a chunk, a new float64 tensor."""
        c = y.to(torch.float64, copy=True)
        return (
            c.sub_(signs(_SHIFT, start, start + len(c), c), alpha=self.shift) if self.shift else c
        )

    def _energies(self, start: int, stop: int, device: torch.device) -> torch.Tensor:
        """Return e_i before normalisation."""
        curved = part(self.spectrum, start, stop, device) >= FLAT
        return part(self.energy, start, stop, device) * curved

    @cached_property
    def _energy(self) -> float:
        """The sum of e_i before normalisation."""
        cpu, sums = torch.device("cpu"), 0.0
        for start in range(0, self.size, CHUNK):
            sums += float(self._energies(start, min(self.size, start + CHUNK), cpu).sum())
        return sums


_SHIFT = derive("optimum of a quadratic")
