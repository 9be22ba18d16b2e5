"""SGD on exact gradients (Robbins & Monro, 1951, doi:10.1214/aoms/1177729586): a reference."""

from zobench.core.first_order import GradientDescent
from zobench.core.schedules import Value
from zobench.registry import estimators


@estimators.register(
    "sgd-first-order",
    paper="doi:10.1214/aoms/1177729586",
    space={"lr": (1e-5, 1.0, "log")},
    sanity={"lr": 0.1},
    first_order=True,
)
def sgd_first_order(lr: Value = 1e-2) -> GradientDescent:
    """SGD with the gradients of the objective: a reference line, not a zeroth-order method.

        x <- x - lr grad f(x)

    Queries per step: 1, of about 3 forward-equivalents. Memory: the weights, the gradient, the
    activations of the backward pass. Deviation: none.
    """
    return GradientDescent(lr)
