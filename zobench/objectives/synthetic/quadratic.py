"""Quadratics of any dimension with a chosen Hessian spectrum: effective rank apart from dimension.

The rate of zeroth-order methods depends on the trace and the decay of the Hessian rather than on
d (Malladi et al., arXiv:2305.17333; Yue et al., COLT 2023): here both are settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zobench.errors import BadInput, unknown
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
    from zobench.objectives.synthetic._profiles import Profile
    from zobench.objectives.synthetic._tensors import TensorProblem


@objectives.register(
    "quadratic", version="1", in_worker=("zobench.objectives.synthetic._tensors",), isolate=True
)
@shared_settings
def quadratic(
    dim: int = 1000,
    spectrum: str = "power",
    exponent: float = 1.0,
    rank: float = 10.0,
    spikes: int = 10,
    tail: float = 0.0,
    energy: float = 2.0,
    shift: float = 0.0,
    basis: str = "identity",
    instance: int = 1,
    split: BlockSettings = BLOCKS,
    storage: TensorSettings = TENSORS,
    noise: NoiseSettings = NOISE,
) -> TensorProblem:
    """The quadratic 1/2 (x - x*)' Q diag(l) Q' (x - x*), largest l_i = 1, minimum 0, f(x0) = 1.

    `spectrum` "power": l_i = i^-exponent. "rank": the power law whose trace is `rank`. "spiked": l
    = 1 for `spikes` directions, and the others share `tail` times the trace of those.
    `basis` "identity", or "random": Q from `instance`, orthogonal, in O(d log d).
    The start has energy l_i c_i^2 / 2 proportional to i^-energy in eigen-direction i (for "spiked"
    in the spikes only). With equal energies no method would solve large d at any rank.
    x* = 0; with `shift`, x* is a rotated random vector of +-shift. Noise levels are relative to
    f(x0) - f* = 1. Memory: the point, and as much again for a rotation (more when dim is prime).
    """
    from zobench.objectives.synthetic import _profiles
    from zobench.objectives.synthetic._basis import basis_of
    from zobench.objectives.synthetic._quadratic import Quadratic
    from zobench.objectives.synthetic._tensors import TensorProblem, layout

    at_least("dim", dim, 1)
    at_least("exponent", exponent, 0.0)
    at_least("energy", energy, 0.0)
    at_least("tail", tail, 0.0)
    at_least("spikes", spikes, 1)
    start: Profile = _profiles.Power(dim, energy)
    if spectrum == "spiked":
        spikes = min(spikes, dim)
        values = _profiles.Spiked(dim, spikes, tail if spikes < dim else 0.0)
        if values.rest > 1.0:
            raise BadInput(f"tail = {tail} lifts the {dim - spikes} other values above the spikes")
        start = _profiles.Only(start, spikes)
    elif spectrum in ("power", "rank"):
        p = exponent if spectrum == "power" else _profiles.exponent_of_rank(dim, rank)
        values = _profiles.Power(dim, p)
    else:
        raise unknown("spectrum", spectrum, ["power", "rank", "spiked"])
    return TensorProblem(
        Quadratic(values, start, shift),
        basis_of(basis, dim, dim, instance),
        layout(dim, split, storage),
        noise.model(dim),
    )
