"""R-MeZO, the random mask that Sparse-MeZO is compared with (https://arxiv.org/abs/2402.15751)."""

from zobench.core.estimator import ComposedEstimator
from zobench.core.rules import SGD
from zobench.core.samplers import Sparse
from zobench.core.schedules import Value
from zobench.core.schemes import Central
from zobench.estimators.sparse_mezo import share_of_moves
from zobench.registry import estimators


@estimators.register(
    "r-mezo",
    paper="arXiv:2402.15751",
    space={
        "lr": (1e-6, 1.0, "log"),
        "eps": (1e-4, 0.1, "log"),
        "sparsity": (0.3, 0.9, "linear"),
        "refresh": [0, 1],
    },
    sanity={"lr": 0.05, "sparsity": 0.5},
)
def r_mezo(
    lr: Value = 2e-6, eps: float = 1e-3, sparsity: float = 0.75, refresh: int = 1
) -> ComposedEstimator:
    """MeZO on a random share of the weights: the baseline that a choice of weights must beat.

        m_i = 1 with probability 1 - sparsity, else 0, independently
        g = (f(x + eps m z) - f(x - eps m z)) / (2 eps) m z,    z ~ N(0, I)
        x <- x - lr g

    A mask lasts `refresh` steps (0: the whole run). Its mean is (1 - sparsity) times the gradient:
    z is not rescaled, so that `eps` and `lr` mean the same as in mezo for a weight that moves.
    Queries per step: 2. Memory: the weights and a buffer of 65,536 numbers: the mask is drawn again
    from its seed. Time: masks are applied on the host.

    Deviations: the paper names the method and states no formula. A fresh mask per step, of
    independent entries, is our reading, as Sparse-MeZO takes its mask anew in each step too; the
    restore is merged with the update, as in mezo.
    """
    return ComposedEstimator(Sparse(share_of_moves(sparsity), refresh), Central(eps), SGD(lr))
