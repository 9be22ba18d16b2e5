"""ARS, version 1-t (Mania, Guy & Recht, 2018, https://arxiv.org/abs/1803.07055)."""

from zobench.core.estimator import ComposedEstimator
from zobench.core.rules import SGD
from zobench.core.samplers import gaussian
from zobench.core.schedules import Value
from zobench.core.schemes import TopPairs
from zobench.registry import estimators


@estimators.register(
    "ars",
    paper="arXiv:1803.07055",
    space={
        "lr": (1e-6, 1.0, "log"),
        "eps": (1e-4, 1.0, "log"),
        "n": [8, 16, 32],
        "keep": [4, 8],
    },
    sanity={"lr": 0.05},
)
def ars(lr: Value = 0.02, eps: float = 0.03, n: int = 8, keep: int = 4) -> ComposedEstimator:
    """Step along the best of n antithetic pairs, divided by the deviation of their losses.

        g = 1/(keep std) sum_{best pairs} (f(x + eps d_i) - f(x - eps d_i)) d_i,    x <- x - lr g

    The best pairs are the `keep` ones whose lower loss is lowest; std is over their 2 keep losses.
    Weights are differences of losses, so a loss that is not finite ends the run.
    Queries per step: 2n. Memory: the weights. Deviation: version 2 whitens observations, which
    belongs to the policy of the objective and not to the estimator.
    """
    return ComposedEstimator(gaussian, TopPairs(eps, n, keep), SGD(lr))
