"""Derivative-free minimisers of SciPy (Virtanen et al., 2020, doi:10.1038/s41592-019-0686-2)."""

from collections.abc import Callable

import numpy as np

from zobench.core.ask_tell import Adapted, Inverted
from zobench.errors import BadInput
from zobench.registry import estimators

METHODS = ("Nelder-Mead", "Powell", "COBYQA")


def minimise(f: Callable[[np.ndarray], float], x0: np.ndarray, method: str, sigma: float) -> str:
    """Run a minimiser of SciPy from x0, shape (d,), at scale sigma; return its last message."""
    from scipy.optimize import minimize  # slow to import

    unlimited = {"maxiter": 10**9, "maxfev": 10**9}
    options = {
        "Nelder-Mead": {
            "initial_simplex": x0 + np.vstack([np.zeros(x0.size), sigma * np.eye(x0.size)]),
            "adaptive": x0.size > 10,  # Gao & Han, 2012
            "xatol": 1e-12,
            "fatol": 1e-12,
        },
        "Powell": {"direc": sigma * np.eye(x0.size), "xtol": 1e-12, "ftol": 1e-12},
        "COBYQA": {"initial_tr_radius": sigma, "final_tr_radius": min(1e-12, 1e-3 * sigma)},
    }[method]
    return str(minimize(f, x0, method=method, options=unlimited | options).message)


@estimators.register(
    "scipy",
    paper="doi:10.1038/s41592-019-0686-2",
    needs="scipy",
    space={"sigma": (1e-3, 5.0, "log")},
    sanity={"sigma": 0.3},
)
def scipy(method: str = "Nelder-Mead", sigma: float = 0.5) -> Adapted:
    """The minimisers of scipy.optimize.minimize: `method` Nelder-Mead, Powell or COBYQA.

    The point is the best sample. A loss that is NaN or infinite is replaced by 1e100. The run ends,
    with status ok, when SciPy's own criteria end it. Queries per step: 1. Memory: d^2 numbers.
    Deviation: `sigma` is the size of the first simplex, line search or trust region; SciPy's
    defaults are relative to x0, and barely move from x0 = 0.
    """
    if method not in METHODS:
        raise BadInput(f"scipy: method is one of {', '.join(METHODS)}, not {method!r}")
    return Adapted(
        lambda x0, seed: Inverted(lambda f: minimise(f, x0, method, sigma), x0), max_dim=5_000
    )
