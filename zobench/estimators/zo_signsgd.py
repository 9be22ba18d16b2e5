"""ZO-signSGD (Liu et al., ICLR 2019, https://openreview.net/forum?id=BJe-DsC5Fm)."""

from zobench.core import samplers, schemes
from zobench.core.estimator import ComposedEstimator
from zobench.core.rules import Sign
from zobench.core.schedules import Value
from zobench.registry import estimators


@estimators.register(
    "zo-signsgd",
    paper="openreview:BJe-DsC5Fm",
    space={"lr": (1e-7, 0.1, "log"), "eps": (1e-4, 0.1, "log"), "n": [4, 8, 16, 32]},
    sanity={"lr": 0.01},
)
def zo_signsgd(
    lr: Value = 1e-3,
    eps: float = 1e-3,
    n: int = 8,
    directions: str = "gaussian",
    scheme: str = "central",
) -> ComposedEstimator:
    """Step along the sign of the averaged estimate, entry by entry.

        g = (1/n) sum_i c_i d_i,    x <- x - lr sign(g)

    With n = 1, sign(g) = sign(c) sign(d): one bit of information per step. (To multiply d by
    sign(c), which some code calls sign descent, is zo-sgd with normalised=True.)
    Queries per step: 2n (central) or n + 1 (forward, the paper's). Memory: the weights and one
    block. Deviation: central differences by default.
    """
    return ComposedEstimator(
        samplers.by_name(directions, n),
        schemes.by_name(scheme, eps, schemes.at_least_one(n)),
        Sign(lr),
    )
