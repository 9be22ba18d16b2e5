"""Any optimizer of nevergrad's registry (Bennet et al., 2021, doi:10.1145/3460310.3460312)."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from zobench.core.ask_tell import Adapted, AskTell
from zobench.errors import BadInput, MissingPackage, Unsuitable, unknown
from zobench.registry import estimators

USUAL = "TwoPointsDE"
PACKAGES = {"ax": "ax-platform", "poap": "pySOT", "pybobyqa": "Py-BOBYQA"}  # of other names
MOST = 4.9e20  # nevergrad takes no loss of 5e20 and above


def _imported() -> Any:
    """The package, which is optional, slow to import, and draws from NumPy's global generator."""
    kept = np.random.get_state()  # noqa: NPY002
    import nevergrad
    from nevergrad.optimization import metamodel

    np.random.set_state(kept)  # noqa: NPY002
    # It calls float() on arrays of shape (1,), which NumPy refuses since 2.4: in NGOpt, for one.
    module: Any = metamodel
    module.float = lambda value: np.asarray(value, float).item()
    return nevergrad


def _check(name: str, n: int) -> None:
    """Raises BadInput for what nevergrad does not have; a missing package is not a fault."""
    if name == USUAL or find_spec("nevergrad") is None:
        return
    known = _imported().optimizers.registry
    if name not in known:
        raise unknown("optimizer of nevergrad's registry", name, known)
    if n > 1 and known[name].no_parallelization:
        raise BadInput(f"nevergrad's {name} takes one candidate at a time: n = 1, not {n}")


def _check_packages(error: BaseException | None) -> None:
    """Raises MissingPackage where a module that the optimizer imports is not installed."""
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
        """Only now is the optimizer made, and asked: it may plan with the number of queries."""
        ng = _imported()
        space = ng.p.Array(init=self.x0).set_mutation(sigma=self.sigma)
        space.random_state = np.random.RandomState(self.seed % 2**32)
        self.left = queries
        budget = None if queries is None else max(self.n, queries)
        try:
            self.optimizer = ng.optimizers.registry[self.name](space, budget, self.n)
            self.asked = [self.optimizer.ask() for _ in range(self.n)]
        except Exception as error:
            _check_packages(error)
            why = f"{type(error).__name__}: {error}".strip(": ")
            if queries is None:
                why = f"it may need the number of queries, which is not known here ({why})"
            raise Unsuitable(f"nevergrad's {self.name} does not begin: {why}") from error
        self.fresh = True

    def ask(self) -> np.ndarray:
        # Beyond the budget some raise: the last candidates are as good, as none are evaluated.
        if not self.fresh and (self.left is None or self.left >= self.n):
            try:
                self.asked = [self.optimizer.ask() for _ in range(self.n)]
            except Exception as error:
                _check_packages(error)
                raise
        self.fresh = False
        if self.left is not None:
            self.left -= self.n
        return np.stack([candidate.value for candidate in self.asked])

    def tell(self, candidates: np.ndarray, losses: Sequence[float]) -> None:
        for candidate, loss in zip(self.asked, losses):
            self.optimizer.tell(candidate, min(loss, MOST))

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
    recommendation. A loss that is NaN or infinite is told as 4.9e20, the largest that nevergrad
    takes. Queries a step: n. Memory: the optimizer's. Optimizers that plan with the budget (NGOpt
    and its kin) are told that of the run; `zobench.optim` has none, so there they are unsuitable.
    """
    if n < 1:
        raise BadInput(f"nevergrad asks for n >= 1 candidates a step, not {n}")
    _check(name, n)
    return Adapted(lambda x0, seed: Nevergrad(x0, seed, name, sigma, n), max_dim=100_000)
