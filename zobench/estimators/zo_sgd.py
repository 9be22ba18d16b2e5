"""ZO-SGD (Ghadimi & Lan, 2013, https://arxiv.org/abs/1309.5549)."""

from zobench.core import samplers, schemes
from zobench.core.estimator import ComposedEstimator
from zobench.core.rules import SGD, Normalised
from zobench.core.schedules import Value
from zobench.registry import estimators


@estimators.register(
    "zo-sgd",
    paper="arXiv:1309.5549",
    space={
        "lr": (1e-6, 1.0, "log"),
        "eps": (1e-4, 0.1, "log"),
        "n": [1, 4, 16],
        "directions": ["gaussian", "rademacher"],
        "normalised": [False, True],
    },
    sanity={"lr": 0.02},
)
def zo_sgd(
    lr: Value = 1e-3,
    eps: float = 1e-3,
    n: int = 1,
    directions: str = "gaussian",
    scheme: str = "central",
    combine: str = "mean",
    clip: float = 0.0,
    normalised: bool = False,
) -> ComposedEstimator:
    """SGD on a finite-difference estimate along random directions, each choice a setting.

        c_i = (f(x + eps d_i) - f(x - eps d_i)) / (2 eps)     central
        c_i = (f(x + eps d_i) - f(x)) / eps                   forward
        g = (1/n) sum_i c_i d_i   or the least-squares fit of the slopes (combine="align")
        x <- x - lr g             or x <- x - lr g / |g|       (normalised=True)

    `directions`: gaussian, hadamard, rademacher, sphere or orthogonal, all with E[d dᵀ] = I; `clip`
    bounds |c_i| (0: no bound). Queries per step: 2n (central) or n + 1 (forward). Memory: the
    weights. Deviation: by default the central form; the paper uses the forward form with n = 1.
    """
    rule = Normalised(lr) if normalised else SGD(lr)
    return ComposedEstimator(
        samplers.by_name(directions, n),
        schemes.by_name(scheme, eps, schemes.at_least_one(n), combine, clip),
        rule,
    )
