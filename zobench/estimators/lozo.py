"""LOZO (Chen et al., 2024, https://arxiv.org/abs/2410.07698)."""

from zobench.core.estimator import ComposedEstimator
from zobench.core.rules import SGD
from zobench.core.samplers import LowRankSampler
from zobench.core.schedules import Value
from zobench.core.schemes import Central
from zobench.registry import estimators


@estimators.register(
    "lozo",
    paper="arXiv:2410.07698",
    space={
        "lr": (1e-6, 1.0, "log"),
        "eps": (1e-4, 0.1, "log"),
        "rank": [1, 2, 4, 8],
        "refresh": (1, 100, "log"),
    },
    sanity={"lr": 0.02, "refresh": 5},
)
def lozo(
    lr: Value = 1e-6, eps: float = 1e-3, rank: int = 2, refresh: int = 50
) -> ComposedEstimator:
    """MeZO along U Vᵀ / sqrt(rank): U is fresh in each step, V every `refresh` steps.

        Z = U Vᵀ / sqrt(rank) on matrices, Gaussian on vectors,    U, V ~ N(0, 1)
        x <- x - lr (f(x + eps Z) - f(x - eps Z)) / (2 eps) Z

    Queries per step: 2. Memory: the weights and V, rank x columns per matrix. Scale: the paper
    probes along U Vᵀ and divides the estimate by the rank, so its eps is ours / sqrt(rank) at equal
    lr; the authors' code does not divide, so its lr is ours / rank. Deviation: the update moves
    along the probed direction at refresh steps too (that of the authors' code does not).
    """
    return ComposedEstimator(LowRankSampler(rank, refresh), Central(eps), SGD(lr))
