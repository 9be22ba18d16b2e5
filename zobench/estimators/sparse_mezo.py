"""Sparse-MeZO (Liu et al., NeurIPS 2025, https://arxiv.org/abs/2402.15751)."""

from zobench.core.estimator import ComposedEstimator
from zobench.core.rules import SGD
from zobench.core.samplers import SmallWeights
from zobench.core.schedules import Value
from zobench.core.schemes import Central
from zobench.errors import BadInput
from zobench.registry import estimators


def share_of_moves(sparsity: float) -> float:
    """The share of the weights that move. Raises BadInput unless 0 <= sparsity < 1."""
    if not 0 <= sparsity < 1:
        raise BadInput(f"sparsity is the share of weights that do not move, in [0, 1), "
                       f"not {sparsity}")  # fmt: skip
    return 1.0 - sparsity


@estimators.register(
    "sparse-mezo",
    paper="arXiv:2402.15751",
    space={
        "lr": (1e-6, 1.0, "log"),
        "eps": (1e-4, 0.1, "log"),
        "sparsity": (0.3, 0.9, "linear"),
        "refresh": [0, 100],
    },
    sanity={"lr": 0.05, "sparsity": 0.5, "refresh": 5},
)
def sparse_mezo(
    lr: Value = 3e-6, eps: float = 1e-3, sparsity: float = 0.75, refresh: int = 0
) -> ComposedEstimator:
    """MeZO on the weights of small magnitude: the others are neither probed nor moved.

        m_i = 1 where |x_i| <= h_b, else 0,    h_b: the (1 - sparsity) quantile of |x| in block b
        g = (f(x + eps m z) - f(x - eps m z)) / (2 eps) m z,    z ~ N(0, I)
        x <- x - lr g

    The thresholds h_b come from the weights before the first step, one per block, which is a
    parameter tensor of a model. The mask m comes from the weights at each step, before they are
    probed: a weight that has grown beyond its threshold stays there. A start at zero, whose
    weights all have one magnitude, is unsuitable. `refresh`: steps after which the thresholds are
    taken again (0, the paper's: never). Without it, weights cannot grow far: it is a method to
    fine-tune a model, and not to find a point.

    Learning rate: the estimate has less variance than MeZO's, so a larger lr is stable; the paper
    and those who compare with it use two to five times MeZO's.
    Queries per step: 2. Memory: the weights, a buffer of 65,536 numbers and d/32 numbers (one bit
    per weight). Time: masks are applied on the host, and the weights are written once more per step
    than by MeZO, as a mask is taken at the point itself.

    Deviations: the mask is stored as one bit per weight, one of the two ways that the paper gives,
    and not compared again in the forward pass; magnitudes are compared, as the paper's text says
    (its listing of GetMask prints x_i <= h); the restore is merged with the update, as in mezo;
    `refresh` is ours.
    """
    return ComposedEstimator(SmallWeights(share_of_moves(sparsity), refresh), Central(eps), SGD(lr))
