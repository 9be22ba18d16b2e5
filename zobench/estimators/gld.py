"""Gradientless descent, GLD-Search (Golovin et al., 2019, https://arxiv.org/abs/1911.06317)."""

import math
from dataclasses import dataclass

from zobench.core.directions import Noise, Probe
from zobench.core.params import Params
from zobench.core.schemes import Evaluate, compare_only
from zobench.core.seeds import fold
from zobench.errors import BadInput
from zobench.registry import estimators


@dataclass
class GLD:
    """Moves to the best of x and one sample at each radius of a geometric grid."""

    ranks = True  # no annotation: not a setting

    radii: list[float]

    def start(self, params: Params, seed: int) -> None:
        """Take the point to improve."""
        self.params, self.seed, self.t = params, seed, 0

    def step(self, evaluate: Evaluate) -> None:
        """Ask for the losses of x and of all samples, and move to the best."""
        compare_only(evaluate)
        unit = self.params.size**-0.5  # |d| is about sqrt(size)
        probes: list[Probe] = [
            (radius * unit, Noise(fold(self.seed, self.t, k), self.params.law))
            for k, radius in enumerate([0.0, *self.radii])
        ]
        losses = evaluate(probes)
        self.params.add(*probes[losses.index(min(losses))])
        self.t += 1


@estimators.register(
    "gld",
    paper="arXiv:1911.06317",
    space={"largest": (1e-2, 30.0, "log"), "ratio": (10.0, 1e4, "log")},
    sanity={"largest": 2.0, "ratio": 1e3},
)
def gld(largest: float = 1.0, ratio: float = 1e3) -> GLD:
    """Move to the best of x and one Gaussian sample at each radius from `largest` down.

        x <- argmin { f(x), f(x + r_k z_k / sqrt(d)) },    r_k = 2^-k largest,    z_k ~ N(0, I)

    The radii are largest, largest/2, ..., and end at largest/ratio or just above. Only the order of
    the losses is used, so that the method is invariant to monotone transformations of f. f(x) is
    asked for in each step, so that all losses of a step share one minibatch. A loss that is NaN or
    infinite is the worst of its step. Queries per step: 2 + floor(log2 ratio). Memory: the weights.
    Deviation: a Gaussian of expected length r_k instead of a uniform sample of the ball.
    """
    if not (largest > 0 and ratio >= 1):
        raise BadInput(f"gld needs largest > 0 and ratio >= 1, not {largest} and {ratio}")
    return GLD([largest * 2.0**-k for k in range(1 + int(math.log2(ratio)))])
