"""Any optimizer of nevergrad's registry (Bennet et al., 2021, doi:10.1145/3460310.3460312)."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from zobench.core.ask_tell import Adapted, AskTell
from zobench.errors import BadInput, unknown
from zobench.registry import estimators

USUAL = "TwoPointsDE"


def _imported() -> Any:
    """The package, which is optional, slow to import, and draws from NumPy's global generator."""
    kept = np.random.get_state()  # noqa: NPY002
    import nevergrad

    np.random.set_state(kept)  # noqa: NPY002
    return nevergrad


def _check(name: str) -> None:
    """Raises BadInput for a name that nevergrad does not have; a missing package is no fault."""
    if name == USUAL or find_spec("nevergrad") is None:
        return
    known = _imported().optimizers.registry
    if name not in known:
        raise unknown("optimizer of nevergrad's registry", name, known)


class Nevergrad(AskTell):
    """A nevergrad optimizer, started at x0 with deviation sigma, behind rows of candidates."""

    def __init__(self, x0: np.ndarray, seed: int, name: str, sigma: float, n: int) -> None:
        ng = _imported()
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
def nevergrad(name: str = USUAL, sigma: float = 1.0, n: int = 1) -> Adapted:
    """The optimizer `name` of nevergrad.optimizers.registry, asked for n candidates a step.

    `sigma` is the deviation of the search space's mutation around x0. The point is the optimizer's
    recommendation. Queries a step: n. Memory: the optimizer's. Deviation: it is not told the
    budget, so optimizers that plan with it (NGOpt and its kin) choose as for an unknown one.
    """
    if n < 1:
        raise BadInput(f"nevergrad asks for n >= 1 candidates a step, not {n}")
    _check(name)
    return Adapted(lambda x0, seed: Nevergrad(x0, seed, name, sigma, n), max_dim=100_000)
