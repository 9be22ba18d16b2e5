"""Blocks with chosen curvature and gradient energy, on which block-coordinate methods depend.

For a quadratic and small steps, the best decrease of a step along a Gaussian direction in block b
is about e_b / (2 t_b), with gradient energy e_b = |g_b|^2 and curvature t_b = tr H_b; over all
blocks it is sum e / (2 sum t). With one learning rate, random blocks against the full space give
(sum e)(sum t) / (N sum e t): above 1 exactly when e and t are negatively correlated (Chebyshev).
Our derivation for MeZO-BCD (Park et al., arXiv:2501.19099); the tests check it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zobench.errors import BadInput
from zobench.objectives.synthetic._settings import (
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
    "block-quadratic",
    version="1",
    paper="https://arxiv.org/abs/2501.19099",
    in_worker=("scipy.stats", "zobench.objectives.synthetic._tensors"),
    isolate=True,
)
@shared_settings
def block_quadratic(
    dim: int = 1000,
    blocks: int = 20,
    correlation: str = "none",
    spread: float = 1.0,
    exponent: float = 0.5,
    energy: float = 2.0,
    basis: str = "identity",
    instance: int = 1,
    matrix: bool = False,
    storage: TensorSettings = TENSORS,
    noise: NoiseSettings = NOISE,
) -> TensorProblem:
    """A quadratic whose groups have curvatures and gradient energies of a chosen correlation.

    Traces t_b and energies e_b both have logarithms at the quantiles of N(0, spread^2). `instance`
    gives them to the blocks in one order ("positive"), in opposite orders ("negative"), or with a
    covariance of almost zero ("none"). In a block, l_j = t_b j^-exponent / sum_j j^-exponent, and
    the start has energy in proportion to j^-energy. Largest eigenvalue 1, minimum 0 at 0,
    f(x0) = 1. `basis` "random" rotates each block by itself. Each block is a group, as a matrix
    with `matrix`. The facts of a run have `bcd_gain` = (sum e)(sum t) / (N sum e t): above 1, one
    block at a time is faster than all blocks at one learning rate.
    """
    from zobench.objectives.synthetic._basis import basis_of
    from zobench.objectives.synthetic._block_quadratic import BlockQuadratic
    from zobench.objectives.synthetic._tensors import TensorProblem, layout

    at_least("blocks", blocks, 1)
    at_least("dim", dim, blocks)
    at_least("spread", spread, 0.0)
    at_least("exponent", exponent, 0.0)
    at_least("energy", energy, 0.0)
    if dim % blocks:
        below = dim // blocks * blocks
        raise BadInput(f"dim is a multiple of blocks = {blocks} such as {below}, not {dim}")
    return TensorProblem(
        BlockQuadratic(dim // blocks, blocks, correlation, spread, exponent, energy, instance),
        basis_of(basis, dim, dim, instance, parts=blocks),
        layout(dim, BlockSettings(blocks, matrix), storage),
        noise.model(dim),
    )
