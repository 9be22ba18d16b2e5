"""Adam on exact gradients (Kingma & Ba, 2015, https://arxiv.org/abs/1412.6980): a reference."""

from zobench.core.first_order import GradientDescent
from zobench.core.rules import Adam
from zobench.core.schedules import Value
from zobench.registry import estimators


@estimators.register(
    "adam-first-order",
    paper="arXiv:1412.6980",
    space={"lr": (1e-5, 0.3, "log")},
    sanity={"lr": 0.05},
    first_order=True,
)
def adam_first_order(lr: Value = 1e-3, b1: float = 0.9, b2: float = 0.999) -> GradientDescent:
    """Adam with the gradients of the objective: a reference line, not a zeroth-order method.

        x <- x - lr m / (sqrt(v) + 1e-8),    m, v: running means of g and g^2, bias removed

    Queries per step: 1, of about 3 forward-equivalents. Memory: the weights, the gradient, two
    moments, the activations of the backward pass. Deviation: none.
    """
    return GradientDescent(lr, Adam(lr, b1, b2))
