"""CMA-ES with restarts (Hansen, 2016, https://arxiv.org/abs/1604.00772).

Up to 1000 coordinates it is the package `cma`, above them `SepCMA`.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from zobench.core.ask_tell import Adapted, AskTell
from zobench.errors import BadInput
from zobench.estimators._sep_cma import SepCMA, is_flat
from zobench.registry import estimators

MANY = 1000  # coordinates, above which "auto" keeps the variances alone


class CMA(AskTell):
    """A search, started again with a larger population whenever it stops.

    A search keeps a whole covariance matrix (the package `cma`) or its diagonal (`SepCMA`). A
    generation is flat if the losses of its better three quarters are equal, as the package defines
    it. A search stops there. Flat generations change neither the point nor the population: it grows
    only if a generation since the last start was not flat.
    """

    def __init__(self, x0: np.ndarray, seed: int, sigma: float, growth: float, diagonal: str):
        self.rng = np.random.default_rng(seed)
        self.x0, self.sigma, self.growth = x0, sigma, growth
        self.diagonal = diagonal == "yes" or (diagonal == "auto" and x0.size > MANY)
        self.favourite, self.low = x0, float("inf")
        self.leader: Any = None  # the restart that has the best sample
        self.begin(x0)

    def begin(self, x0: np.ndarray, population: int = 0) -> None:
        """Start a search from x0, shape (d,), with this population; 0: of the default size."""
        if self.diagonal:
            self.inner: Any = SepCMA(x0, self.sigma, self.rng, population)
        else:
            self.inner = _full(x0, self.sigma, self.rng, population)
        self.learned = False  # True after a generation that is not flat

    def ask(self) -> np.ndarray:
        if self.inner.stop():
            population = self.inner.popsize
            if self.learned:
                population = max(population + 1, int(self.growth * population))
            near = self.x0 + self.sigma * self.rng.standard_normal(self.x0.size)
            self.begin(near, population)
        return np.asarray(self.inner.ask())

    def tell(self, candidates: np.ndarray, losses: Sequence[float]) -> None:
        rows = candidates if self.diagonal else list(candidates)
        self.inner.tell(rows, list(losses))
        flat = is_flat(losses)
        self.learned |= not flat
        low, lowest = min(losses), self.low
        if low < lowest:
            self.low, self.leader = low, self.inner
            flat &= lowest == float("inf")  # an improvement is information, ties or not
        if self.leader is self.inner and not flat:
            mean = self.inner.mean
            # Against bad conditioning the package changes coordinates; its mean is in the new ones.
            self.favourite = mean.copy() if self.diagonal else self.inner.gp.pheno(mean)

    def best(self) -> np.ndarray:
        return self.favourite


def _full(x0: np.ndarray, sigma: float, rng: np.random.Generator, population: int) -> Any:
    """Start the package's strategy, which keeps a whole covariance matrix."""
    with warnings.catch_warnings():  # the package warns that it cannot plot
        warnings.simplefilter("ignore", UserWarning)
        import cma  # optional, and slow to import

    options: dict[str, Any] = {
        "verbose": -9,
        "seed": np.nan,  # leave NumPy's global generator alone
        "randn": lambda *shape: rng.standard_normal(shape),
    }
    if population:
        options["popsize"] = population
    return cma.CMAEvolutionStrategy(x0, sigma, options)


@estimators.register(
    "cma-es",
    version="4",
    paper="arXiv:1604.00772",
    needs="cma",
    space={"sigma": (1e-4, 5.0, "log"), "diagonal": ["auto", "yes"]},
    sanity={"sigma": 0.3},
)
def cma_es(sigma: float = 0.5, growth: float = 2.0, diagonal: str = "auto") -> Adapted:
    """Covariance matrix adaptation: one population per step, of the package's default size.

        x_i ~ N(m, s^2 C),    m <- weighted mean of the best half,    s and C: see the paper

    `sigma` is the first deviation of each entry. When the criteria of the package `cma` stop it, it
    starts again near x0 with `growth` times the population (IPOP; Auger & Hansen, CEC 2005).
    `diagonal`: "auto", "yes" or "no"; "auto" keeps only the variances above 1000 coordinates
    (sep-CMA-ES; Ros & Hansen, PPSN 2008), where d^2 numbers would not fit. The point is the mean of
    the restart that has the best sample. While all losses are equal, neither it nor the size of the
    population changes. A loss that is NaN or infinite is the worst of its population.
    Queries per step: 4 + 3 ln d. Memory: d^2 numbers, or the population and its candidates if
    diagonal. Deviations: a restart begins at x0 + sigma z, as the objectives here have no box to
    draw from; the full matrix has the negative weights of the package, the diagonal has none.
    """
    if growth < 1:
        raise BadInput(f"growth is a factor of at least 1, not {growth}")
    return Adapted(lambda x0, seed: CMA(x0, seed, sigma, growth, diagonal))
