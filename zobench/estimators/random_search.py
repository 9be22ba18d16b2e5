"""Random search with a Gaussian step (Matyas, 1965, Automation and Remote Control 26:246-253)."""

from dataclasses import dataclass

from zobench.core.directions import Noise, Probe
from zobench.core.params import Params
from zobench.core.schemes import Evaluate, at_least_one, compare_only
from zobench.core.seed_range import fold_range
from zobench.registry import estimators


@dataclass
class RandomSearch:
    """Moves to the best of x and n Gaussian samples around it."""

    ranks = True  # no annotation: not a setting

    sigma: float
    n: int

    def start(self, params: Params, seed: int) -> None:
        """Take the point to improve."""
        self.params, self.seed, self.drawn = params, seed, 0
        self.low: float | None = None  # the loss of x, after the first step

    def step(self, evaluate: Evaluate) -> None:
        """Ask for the losses of n samples, and move to the best if it is better than x."""
        compare_only(evaluate)
        seeds = fold_range(self.seed, self.drawn, self.drawn + self.n)
        probes: list[Probe] = [(self.sigma, Noise(seed, self.params.law)) for seed in seeds]
        self.drawn += self.n
        if self.low is None:
            self.low, *losses = evaluate([(0.0, probes[0][1]), *probes])
        else:
            losses = evaluate(probes)
        low = min(losses)
        if low < self.low:
            self.low = low
            self.params.add(*probes[losses.index(low)])


@estimators.register(
    "random-search",
    version="2",
    paper="Matyas 1965",
    space={"sigma": (1e-4, 10.0, "log"), "n": [1, 4, 16]},
    sanity={"sigma": 0.1},
)
def random_search(sigma: float = 1.0, n: int = 16) -> RandomSearch:
    """Move to the best of x and n samples x + sigma z: the baseline to beat.

        z_i ~ N(0, I),    x <- the best of x, x + sigma z_1, ..., x + sigma z_n

    The loss of x is asked for once and remembered, so that under noise a lucky loss stays. A loss
    that is NaN or infinite is the worst of its step.
    Queries per step: n, and one more in the first. Memory: the weights. Deviation: the paper draws
    one sample per step.
    """
    return RandomSearch(sigma, at_least_one(n))
