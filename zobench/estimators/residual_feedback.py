"""One-point residual feedback (Zhang et al., 2020, https://arxiv.org/abs/2006.10820)."""

from zobench.core.estimator import ComposedEstimator
from zobench.core.rules import SGD
from zobench.core.samplers import gaussian
from zobench.core.schedules import Value
from zobench.core.schemes import ResidualOnePoint
from zobench.registry import estimators


@estimators.register(
    "residual-feedback",
    paper="arXiv:2006.10820",
    space={"lr": (1e-8, 0.1, "log"), "eps": (1e-3, 3.0, "log")},
    sanity={"lr": 2e-3, "eps": 0.3},
)
def residual_feedback(lr: Value = 1e-4, eps: float = 0.1) -> ComposedEstimator:
    """One query per step, compared with the query of the step before.

        x <- x - lr (f(x + eps u_t) - f(x_prev + eps u_{t-1})) / eps u_t,    u ~ N(0, I)

    Queries per step: 1. Memory: the weights and one scalar. With minibatches the two losses come
    from different batches, and their noise is divided by eps: the gain is for deterministic f.
    Deviation: the first step does not move, as it has no loss to compare with.
    """
    return ComposedEstimator(gaussian, ResidualOnePoint(eps), SGD(lr))
