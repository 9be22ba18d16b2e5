"""ZO-Adam and ZO-AdaMM (Chen et al., 2019, https://arxiv.org/abs/1910.06513)."""

from zobench.core import samplers, schemes
from zobench.core.estimator import ComposedEstimator
from zobench.core.rules import Adam
from zobench.core.schedules import Value
from zobench.registry import estimators


@estimators.register(
    "zo-adam",
    paper="arXiv:1910.06513",
    space={
        "lr": (1e-5, 0.3, "log"),
        "eps": (1e-4, 0.1, "log"),
        "b2": [0.9, 0.99, 0.999],
        "amsgrad": [False, True],
        "n": [1, 4],
    },
    sanity={"lr": 0.05},
)
def zo_adam(
    lr: Value = 1e-3,
    eps: float = 1e-3,
    n: int = 1,
    b1: float = 0.9,
    b2: float = 0.999,
    amsgrad: bool = False,
    scheme: str = "central",
    directions: str = "gaussian",
) -> ComposedEstimator:
    """Adam on the finite-difference estimate; `amsgrad=True` is ZO-AdaMM's update.

        g = (1/n) sum_i c_i d_i,    m <- b1 m + (1-b1) g,    v <- b2 v + (1-b2) g^2
        x <- x - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + 1e-8)

    Queries per step: 2n (central) or n + 1 (forward, the paper's). Memory: the weights and two
    moments (three with amsgrad). Deviations from the paper: bias correction, constant b1, no
    projection (there are no constraints), Gaussian directions by default instead of the sphere.
    """
    return ComposedEstimator(
        samplers.by_name(directions, n),
        schemes.by_name(scheme, eps, schemes.at_least_one(n)),
        Adam(lr, b1, b2, amsgrad=amsgrad),
    )
