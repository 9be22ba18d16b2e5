"""MeZO (Malladi et al., 2023, https://arxiv.org/abs/2305.17333)."""

from zobench.core.estimator import ComposedEstimator
from zobench.core.rules import SGD
from zobench.core.samplers import gaussian
from zobench.core.schedules import Value
from zobench.core.schemes import Central, at_least_one
from zobench.registry import estimators


@estimators.register(
    "mezo",
    paper="arXiv:2305.17333",
    space={"lr": (1e-6, 1.0, "log"), "eps": (1e-4, 0.1, "log"), "n": [1, 4]},
    sanity={"lr": 0.02},
)
def mezo(
    lr: Value = 1e-6, eps: float = 1e-3, n: int = 1, weight_decay: float = 0.0
) -> ComposedEstimator:
    """SGD along seeded Gaussian directions that are replayed, never stored.

        g = (1/n) sum_i (f(x + eps z_i) - f(x - eps z_i)) / (2 eps) z_i,    z_i ~ N(0, I)
        x <- x - lr (g + weight_decay x)

    Queries per step: 2n. Memory: the weights and a buffer of 65,536 numbers. Deviations: the
    restore is merged with the update and the next probe (equal in exact arithmetic, fewer passes
    and less rounding); weight decay, 0 in the paper, acts on biases and norms too.
    """
    return ComposedEstimator(gaussian, Central(eps, at_least_one(n)), SGD(lr, weight_decay))
