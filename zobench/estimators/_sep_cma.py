"""CMA-ES whose covariance matrix is diagonal: sep-CMA-ES (Ros & Hansen, PPSN 2008).

A generation costs little more than its normal numbers, and the memory of its population: packages
copy the population several times, which in 163,328 dimensions takes most of their time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

TINY = 1e-11  # range of losses, and deviations of coordinates, below which a search has converged
FAR = 1e3  # deviations over the first one, above which a search goes too far for its first one
CONDITION = 1e14  # largest over smallest variance, above which it is ill-conditioned


class SepCMA:
    """One search: normal points around a mean, with a variance per coordinate.

    The default constants are those of CMA-ES (Hansen, 2016, arXiv:1604.00772, table 1) with
    positive weights alone; the rates c1 and c_mu of the variances are (d + 2) / 3 times as large,
    at most 1 together, as in the paper. Numbers of equations are those of Hansen (2016).

    Args:
        mean: the start, shape (d,); it is copied.
        sigma: the first deviation of each coordinate.
        rng: the source of normal numbers.
        popsize: points per generation; 0: 4 + 3 ln d.
    """

    def __init__(
        self, mean: np.ndarray, sigma: float, rng: np.random.Generator, popsize: int = 0
    ) -> None:
        d = mean.size
        self.mean = np.array(mean, dtype=np.float64)
        self.sigma, self.first_sigma, self.rng = sigma, sigma, rng
        self.popsize = popsize or 4 + int(3 * math.log(d))  # eq. 48
        mu = self.popsize // 2
        weights = math.log((self.popsize + 1) / 2) - np.log(np.arange(1, mu + 1))  # eq. 49
        self.weights = weights / weights.sum()
        self.mu_eff = 1 / float((self.weights**2).sum())
        self.c_sigma = (self.mu_eff + 2) / (d + self.mu_eff + 5)  # eq. 55
        self.damping = 1 + self.c_sigma + 2 * max(0.0, math.sqrt((self.mu_eff - 1) / (d + 1)) - 1)
        self.c_c = (4 + self.mu_eff / d) / (d + 4 + 2 * self.mu_eff / d)  # eq. 56
        c_1 = 2 / ((d + 1.3) ** 2 + self.mu_eff)  # eq. 57
        of_mu = (self.mu_eff - 2 + 1 / self.mu_eff) / ((d + 2) ** 2 + self.mu_eff)  # eq. 58
        c_mu = min(1 - c_1, 2 * of_mu)
        faster = min((d + 2) / 3, 1 / (c_1 + c_mu))
        self.c_1, self.c_mu = faster * c_1, faster * c_mu
        self.expected = math.sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d**2))  # of |N(0, I)|
        self.variances, self.deviations = np.ones(d), np.ones(d)
        self.path, self.sigma_path = np.zeros(d), np.zeros(d)
        self.generation = 0
        # The lowest loss of each generation, of as many as the package compares.
        self.lows: deque[float] = deque(maxlen=10 + int(30 * d / self.popsize))
        self.losses: Sequence[float] = ()  # of the last generation

    def ask(self) -> np.ndarray:
        """Return the points of a generation as rows, shape (popsize, d)."""
        points = self.rng.standard_normal((self.popsize, self.mean.size))
        scale = self.sigma * self.deviations
        for row in points:  # row by row: the rows stay in the cache of the processor
            row *= scale
            row += self.mean
        return points

    def tell(self, points: np.ndarray, losses: Sequence[float]) -> None:
        """Move the mean to the best half, and adapt the variances and sigma.

        Args:
            points: as `ask` returned them.
            losses: their losses; infinity is the worst.
        """
        self.generation += 1
        self.losses = losses
        self.lows.append(min(losses))
        best = np.argsort(losses, kind="stable")[: len(self.weights)]
        move, squares = np.zeros_like(self.mean), np.zeros_like(self.mean)
        for weight, index in zip(self.weights, best):
            y = points[index] - self.mean
            move += weight * y
            y *= y
            y *= weight
            squares += y
        self.mean += move  # eq. 42, with c_m = 1
        move /= self.sigma
        squares /= self.sigma**2

        c, size = self.c_sigma, self.mean.size
        self.sigma_path *= 1 - c  # eq. 43
        self.sigma_path += math.sqrt(c * (2 - c) * self.mu_eff) * (move / self.deviations)
        length = float(np.linalg.norm(self.sigma_path))
        normed = length / math.sqrt(1 - (1 - c) ** (2 * (self.generation + 1)))
        is_slow = normed < (1.4 + 2 / (size + 1)) * self.expected
        c = self.c_c
        self.path *= 1 - c  # eq. 45
        if is_slow:
            self.path += math.sqrt(c * (2 - c) * self.mu_eff) * move
        stays = 1 - self.c_1 - self.c_mu + (0 if is_slow else self.c_1 * c * (2 - c))  # eq. 47
        self.variances *= stays
        self.variances += self.c_1 * self.path**2 + self.c_mu * squares
        np.sqrt(self.variances, out=self.deviations)
        self.sigma *= math.exp(
            min(1.0, self.c_sigma / self.damping * (length / self.expected - 1))
        )  # eq. 44

    def stop(self) -> bool:
        """Return True if the search is over: it has converged, or has gone too far.

        The criteria of the package `cma` that apply to variances: equal losses of the best three
        quarters, losses or deviations in a range of 1e-11, deviations of 1000 times the first one,
        a move that rounding swallows, and a condition number above 1e14.
        """
        if not self.generation:
            return False
        if is_flat(self.losses):
            return True
        spread = max(self.losses) - min(self.losses)
        if spread < TINY and max(self.lows) - min(self.lows) < TINY:
            return True
        largest, smallest = float(self.deviations.max()), float(self.deviations.min())
        if not TINY < self.sigma * largest / self.first_sigma < FAR:
            return True
        if largest**2 > CONDITION * smallest**2:
            return True
        return bool((self.mean == self.mean + 0.2 * self.sigma * self.deviations).any())


def is_flat(losses: Sequence[float]) -> bool:
    """Return True if the better three quarters of the losses are equal, as `cma` defines it."""
    return min(losses) == sorted(losses)[int(0.75 * len(losses))]
