"""Any optimizer of nevergrad's registry (Bennet et al., 2021, doi:10.1145/3460310.3460312)."""

from collections.abc import Sequence

import numpy as np

from zobench.core.ask_tell import Adapted, AskTell
from zobench.errors import BadInput, unknown
from zobench.registry import estimators


class Nevergrad(AskTell):
    """A nevergrad optimizer, started at x0 with deviation sigma, behind rows of candidates."""

    def __init__(self, x0: np.ndarray, seed: int, name: str, sigma: float, n: int) -> None:
        kept = np.random.get_state()  # noqa: NPY002 - importing it draws from the global generator
        import nevergrad as ng  # optional, and slow to import

        np.random.set_state(kept)  # noqa: NPY002
        if name not in ng.optimizers.registry:
            raise unknown("nevergrad optimizer", name, sorted(ng.optimizers.registry))
        space = ng.p.Array(init=x0).set_mutation(sigma=sigma)
        space.random_state = np.random.RandomState(seed % 2**32)
        self.optimizer = ng.optimizers.registry[name](space, budget=None, num_workers=n)
        self.n = n

    def ask(self) -> np.ndarray:
        self.asked = [self.optimizer.ask() for _ in range(self.n)]
        return np.stack([candidate.value for candidate in self.asked])

    def tell(self, candidates: np.ndarray, losses: Sequence[float]) -> None:
        for candidate, loss in zip(self.asked, losses):
            self.optimizer.tell(candidate, loss)

    def best(self) -> np.ndarray:
        return self.optimizer.recommend().value


@estimators.register(
    "nevergrad",
    paper="doi:10.1145/3460310.3460312",
    needs="nevergrad",
    space={"sigma": (1e-3, 5.0, "log")},
    sanity={"sigma": 0.3, "name": "OnePlusOne"},
)
def nevergrad(name: str = "TwoPointsDE", sigma: float = 1.0, n: int = 1) -> Adapted:
    """The optimizer `name` of nevergrad.optimizers.registry, asked for n candidates a step.

    `sigma` is the deviation of the search space's mutation around x0. The point is the optimizer's
    recommendation. Queries a step: n. Memory: the optimizer's. Deviation: it is not told the
    budget, so optimizers that plan with it (NGOpt and its kin) choose as for an unknown one.
    """
    if n < 1:
        raise BadInput(f"nevergrad asks for n >= 1 candidates a step, not {n}")
    return Adapted(lambda x0, seed: Nevergrad(x0, seed, name, sigma, n), max_dim=100_000)
