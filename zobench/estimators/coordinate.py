"""Coordinate-wise finite differences (CGE; e.g. Lian et al., 2016, https://arxiv.org/abs/1606.00498)."""

from zobench.core import schemes
from zobench.core.estimator import ComposedEstimator
from zobench.core.rules import SGD
from zobench.core.samplers import Coordinates
from zobench.core.schedules import Value
from zobench.registry import estimators


@estimators.register(
    "coordinate",
    paper="arXiv:1606.00498",
    space={
        "lr": (1e-6, 1.0, "log"),
        "eps": (1e-6, 0.1, "log"),
        "scheme": ["central", "forward"],
    },
    sanity={"lr": 0.2},
)
def coordinate(
    lr: Value = 1e-2, eps: float = 1e-4, n: int = 0, scheme: str = "central"
) -> ComposedEstimator:
    """Finite differences along n coordinates per step, without replacement; n = 0: all of them.

        g = (d/n) sum_{i in S} (f(x + mu e_i) - f(x - mu e_i)) / (2 mu) e_i,    mu = eps sqrt(d)
        x <- x - lr g

    Queries per step: 2n or 2d (central), n + 1 or d + 1 (forward). Memory: the weights. Deviation:
    a probe is as long as a random one, so `eps` is mu / sqrt(d) for the mu of the papers; `lr` is
    theirs.
    """
    return ComposedEstimator(Coordinates(n), schemes.by_name(scheme, eps, n), SGD(lr))
