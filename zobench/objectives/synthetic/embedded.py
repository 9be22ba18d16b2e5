"""Low intrinsic dimension: a function of d coordinates that depends on k of them alone.

The setting of random embeddings (Wang et al., JAIR 55, 2016) and, axis-aligned, of sparse gradients
(ZORO, arXiv:2003.13001): the optimum and the difficulty are those of the inner function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zobench.errors import unknown
from zobench.objectives.synthetic._settings import (
    BLOCKS,
    NOISE,
    TENSORS,
    BlockSettings,
    NoiseSettings,
    TensorSettings,
    at_least,
    shared_settings,
)
from zobench.registry import objectives

if TYPE_CHECKING:
    from zobench.objectives.synthetic._tensors import TensorProblem


@objectives.register(
    "embedded",
    version="1",
    paper="https://arxiv.org/abs/2003.13001",
    in_worker=("zobench.objectives.synthetic._tensors",),
    isolate=True,
)
@shared_settings
def embedded(
    dim: int = 1000,
    intrinsic: int = 10,
    inner: str = "sphere",
    basis: str = "random",
    instance: int = 1,
    split: BlockSettings = BLOCKS,
    storage: TensorSettings = TENSORS,
    noise: NoiseSettings = NOISE,
) -> TensorProblem:
    """A function g(P x) with P of shape (intrinsic, dim), P P' = I; minimum 0, f(x0) = 1.

    `inner` g: "sphere" |y|^2 / 2, "quadratic" with curvatures 1/i, or "rosenbrock" (chained).
    `basis` "random": P has orthonormal rows drawn by `instance`, so that f depends on every
    coordinate a little. "subset": P picks random coordinates. The start lies in the range of P'.
    """
    from zobench.objectives.synthetic._basis import basis_of
    from zobench.objectives.synthetic._chained import Chained
    from zobench.objectives.synthetic._profiles import Power
    from zobench.objectives.synthetic._quadratic import Quadratic
    from zobench.objectives.synthetic._tensors import TensorProblem, layout

    at_least("intrinsic", intrinsic, 2)
    at_least("dim", dim, intrinsic + 1)
    makers = {
        "sphere": lambda: Quadratic(Power(intrinsic, 0.0), Power(intrinsic, 0.0)),
        "quadratic": lambda: Quadratic(Power(intrinsic, 1.0), Power(intrinsic, 2.0)),
        "rosenbrock": lambda: Chained(intrinsic),
    }
    if inner not in makers:
        raise unknown("inner", inner, makers)
    return TensorProblem(
        makers[inner](),
        basis_of(basis, dim, intrinsic, instance),
        layout(dim, split, storage),
        noise.model(dim),
    )
