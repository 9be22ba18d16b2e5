"""SPSA (Spall, 1992, IEEE Transactions on Automatic Control 37(3), doi:10.1109/9.119632)."""

from zobench.core.estimator import ComposedEstimator
from zobench.core.rules import SGD
from zobench.core.samplers import rademacher
from zobench.core.schedules import power
from zobench.core.schemes import Central, at_least_one
from zobench.registry import estimators


@estimators.register(
    "spsa",
    paper="doi:10.1109/9.119632",
    space={
        "lr": (1e-6, 1.0, "log"),
        "eps": (1e-4, 0.3, "log"),
        "alpha": [0.0, 0.602, 1.0],
        "offset": [10.0, 100.0, 1000.0],
    },
    sanity={"lr": 0.02},
)
def spsa(
    lr: float = 1e-2,
    eps: float = 1e-2,
    n: int = 1,
    alpha: float = 0.602,
    gamma: float = 0.101,
    offset: float = 100.0,
) -> ComposedEstimator:
    """Simultaneous perturbation: signs, central differences, decaying gains.

        g = (1/n) sum_i (f(x + c_t z_i) - f(x - c_t z_i)) / (2 c_t) z_i,    z_i in {-1, +1}^d
        x <- x - a_t g,    a_t = lr ((1+A)/(t+1+A))^alpha,    c_t = eps / (t+1)^gamma

    To multiply by the entries of z is to divide by them, as the paper prints. `offset` is A.
    Queries per step: 2n. Memory: the weights. Deviation: `lr` is the first gain,
    a_0 = a/(1+A)^alpha, and not a.
    """
    return ComposedEstimator(
        rademacher, Central(power(eps, gamma), at_least_one(n)), SGD(power(lr, alpha, offset))
    )
