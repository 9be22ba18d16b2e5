"""ZO-SGD with heavy-ball momentum (Polyak, 1964; as a ZO baseline in arXiv:2402.11592)."""

from zobench.core.estimator import ComposedEstimator
from zobench.core.rules import Momentum, ReplayedMomentum
from zobench.core.samplers import gaussian
from zobench.core.schedules import Value
from zobench.core.schemes import Central, at_least_one
from zobench.registry import estimators


@estimators.register(
    "zo-momentum",
    paper="arXiv:2402.11592",
    space={
        "lr": (1e-7, 0.3, "log"),
        "eps": (1e-4, 0.1, "log"),
        "beta": [0.5, 0.9, 0.99],
        "n": [1, 4],
    },
    sanity={"lr": 0.003},
)
def zo_momentum(
    lr: Value = 1e-4, eps: float = 1e-3, n: int = 1, beta: float = 0.9, replay: int = 0
) -> ComposedEstimator:
    """Central differences along Gaussians, with a momentum that is stored or replayed.

        g = (1/n) sum_i (f(x + eps z_i) - f(x - eps z_i)) / (2 eps) z_i,    z_i ~ N(0, I)
        m <- beta m + g,    x <- x - lr m

    Queries per step: 2n. Memory: the weights and m (replay = 0), or the weights and `replay` pairs
    (seed, slope), from which m is drawn again, cut off at weight beta^replay. Deviation: none at
    replay = 0; a replayed m lacks the oldest terms.
    """
    rule = ReplayedMomentum(lr, beta, replay) if replay else Momentum(lr, beta)
    return ComposedEstimator(gaussian, Central(eps, at_least_one(n)), rule)
