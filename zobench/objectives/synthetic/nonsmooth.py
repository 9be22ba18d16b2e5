"""Nonsmooth convex functions: gradients of constant length, or of a single coordinate."""

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
    "nonsmooth", version="1", in_worker=("zobench.objectives.synthetic._tensors",), isolate=True
)
@shared_settings
def nonsmooth(
    dim: int = 1000,
    kind: str = "l1",
    basis: str = "random",
    instance: int = 1,
    split: BlockSettings = BLOCKS,
    storage: TensorSettings = TENSORS,
    noise: NoiseSettings = NOISE,
) -> TensorProblem:
    """The mean ("l1") or the maximum ("max") of |y_i|, y = Q' x; minimum 0 at 0, f(x0) = 1.

    Starts: y_i = +-1 for "l1" and +-i / dim for "max", signs from the seed. Q is a rotation from
    `instance`, or the identity for `basis` "identity". Gradients are subgradients at a kink.
    """
    from zobench.objectives.synthetic._basis import basis_of
    from zobench.objectives.synthetic._kinks import LargestMagnitude, MeanMagnitude
    from zobench.objectives.synthetic._tensors import TensorProblem, layout

    at_least("dim", dim, 1)
    functions = {"l1": MeanMagnitude, "max": LargestMagnitude}
    if kind not in functions:
        raise unknown("kind", kind, functions)
    return TensorProblem(
        functions[kind](dim),
        basis_of(basis, dim, dim, instance),
        layout(dim, split, storage),
        noise.model(dim),
    )
