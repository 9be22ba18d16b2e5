"""One-point bandit gradient (Flaxman, Kalai & McMahan, 2005, https://arxiv.org/abs/cs/0408007)."""

from zobench.core import samplers
from zobench.core.estimator import ComposedEstimator
from zobench.core.rules import SGD
from zobench.core.schedules import Value
from zobench.core.schemes import OnePoint
from zobench.registry import estimators


@estimators.register(
    "one-point",
    paper="arXiv:cs/0408007",
    space={"lr": (1e-8, 0.1, "log"), "eps": (1e-3, 3.0, "log")},
    sanity={"lr": 2e-3, "eps": 0.3},
)
def one_point(
    lr: Value = 1e-4, eps: float = 0.1, baseline: bool = True, directions: str = "sphere"
) -> ComposedEstimator:
    """One query per step, with a variance that grows as d (f - b)^2 / eps^2.

        x <- x - lr (f(x + eps u) - b) / eps u,    u uniform on the sphere of radius sqrt(d)

    `baseline`: True for b = the mean of all earlier losses, False for b = 0 as in the paper.
    Queries per step: 1. Memory: the weights. Deviations: the baseline; no projection on a feasible
    set.
    """
    return ComposedEstimator(samplers.by_name(directions, 1), OnePoint(eps, baseline), SGD(lr))
