"""Any optimizer of nevergrad's registry (Bennet et al., 2021, doi:10.1145/3460310.3460312)."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from zobench.core.ask_tell import Adapted, AskTell
from zobench.errors import BadInput, MissingPackage, Unsuitable, unknown
from zobench.registry import estimators

DEFAULT = "TwoPointsDE"
PACKAGES = {  # modules whose package has another name
    "ax": "ax-platform", "poap": "pySOT", "pybobyqa": "Py-BOBYQA"
}  # fmt: skip
LARGEST_LOSS = 4.9e20  # nevergrad refuses losses of 5e20 and above


def _imported() -> Any:
    """Import the package, which is optional, slow to import, and draws from a global generator."""
    state = np.random.get_state()  # noqa: NPY002
    import nevergrad
    from nevergrad.optimization import metamodel

    np.random.set_state(state)  # noqa: NPY002
    # It calls float() on arrays of shape (1,), which NumPy refuses since 2.4, in NGOpt for example.
    module: Any = metamodel
    module.float = lambda value: np.asarray(value, float).item()
    return nevergrad


def _check(name: str, n: int) -> None:
    """Raise BadInput for an optimizer that nevergrad does not have, if it is installed."""
    if name == DEFAULT or find_spec("nevergrad") is None:
        return
    optimizers = _imported().optimizers.registry
    if name not in optimizers:
        raise unknown("optimizer of nevergrad's registry", name, optimizers)
    if n > 1 and optimizers[name].no_parallelization:
        raise BadInput(f"nevergrad's {name} takes one candidate at a time: n = 1, not {n}")


def _check_packages(error: BaseException | None) -> None:
    """Raise MissingPackage if a module that the optimizer imports is not installed."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError):
            module = (error.name or "").partition(".")[0]
            raise MissingPackage(module, PACKAGES.get(module, module)) from error
        error = error.__cause__


class Nevergrad(AskTell):
    """A nevergrad optimizer, started at x0 with deviation sigma, behind rows of candidates."""

    def __init__(self, x0: np.ndarray, seed: int, name: str, sigma: float, n: int) -> None:
        self.x0, self.seed, self.name, self.sigma, self.n = x0, seed, name, sigma, n

    def expect(self, queries: int | None) -> None:
        """Make the optimizer, which may plan with the number of queries, and ask it once."""
        ng = _imported()
        space = ng.p.Array(init=self.x0).set_mutation(sigma=self.sigma)
        space.random_state = np.random.RandomState(self.seed % 2**32)
        self.remaining = queries
        budget = None if queries is None else max(self.n, queries)
        try:
            self.optimizer = ng.optimizers.registry[self.name](space, budget, self.n)
            self.candidates = [self.optimizer.ask() for _ in range(self.n)]
        except Exception as error:
            _check_packages(error)
            cause = f"{type(error).__name__}: {error}".strip(": ")
            if queries is None:
                cause = f"it may need the number of queries, which is not known here ({cause})"
            raise Unsuitable(f"nevergrad's {self.name} does not begin: {cause}") from error
        self.fresh = True

    def ask(self) -> np.ndarray:
        # Beyond the budget some optimizers raise. The last candidates do, as none is evaluated.
        if not self.fresh and (self.remaining is None or self.remaining >= self.n):
            try:
                self.candidates = [self.optimizer.ask() for _ in range(self.n)]
            except Exception as error:
                _check_packages(error)
                raise
        self.fresh = False
        if self.remaining is not None:
            self.remaining -= self.n
        return np.stack([candidate.value for candidate in self.candidates])

    def tell(self, candidates: np.ndarray, losses: Sequence[float]) -> None:
        for candidate, loss in zip(self.candidates, losses):
            self.optimizer.tell(candidate, min(loss, LARGEST_LOSS))

    def best(self) -> np.ndarray:
        return self.optimizer.recommend().value


@estimators.register(
    "nevergrad",
    paper="doi:10.1145/3460310.3460312",
    needs="nevergrad",
    space={"sigma": (1e-3, 5.0, "log")},
    sanity={"sigma": 0.3, "name": "OnePlusOne"},
)
def nevergrad(name: str = DEFAULT, sigma: float = 1.0, n: int = 1) -> Adapted:
    """The optimizer `name` of nevergrad.optimizers.registry, asked for n candidates per step.

    `sigma` is the deviation of the search space's mutation around x0. The point is the
    recommendation of the optimizer. A loss that is NaN or infinite is replaced by 4.9e20, the
    largest that nevergrad takes. Queries per step: n. Memory: that of the optimizer. Optimizers
    that plan with the budget (NGOpt and similar ones) get that of the run. `ZerothOrder` has no
    budget, so that these are unsuitable there. Deviation: none.
    """
    if n < 1:
        raise BadInput(f"nevergrad asks for n >= 1 candidates per step, not {n}")
    _check(name, n)
    return Adapted(lambda x0, seed: Nevergrad(x0, seed, name, sigma, n), max_dim=100_000)
