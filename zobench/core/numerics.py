"""What rounding does to a step: drift, lost updates, and the length of the step that is left.

Published 16-bit runs lose most of an update, and move further by failing to return from a probe
than by updating (weights of 16 bits have 3 digits). These figures say how far a run is from that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from zobench.core.directions import Noise
from zobench.core.module import TensorParams
from zobench.core.params import Params

SAMPLE = 1 << 14  # coordinates of a block that stand for all of it, in the report of a run
PAIRS = 10  # probe pairs of which the drift is measured
SEED = 0x6E756D  # of the directions


@dataclass(frozen=True)
class Numerics:
    """Figures of one point, length of probe and length of update.

    `drift`: rms distance from the start after PAIRS probe pairs and no update, in lengths of a
    probe (0 is exact). `changed`: the share of coordinates that an update changes. `effective`:
    the part of the update that is made, <made, meant> / |meant|^2 (1 is exact).
    """

    drift: float
    changed: float
    effective: float


def numerics(
    params: Params, eps: float, step: float, look: Callable[[], object] = lambda: None
) -> Numerics:
    """Probe with x ± eps z and update by step z, for real: the point moves.

    `look` reads the point at every probe, as a loss does. Holds three copies of the point.
    """
    before = params.flat()
    for k in range(PAIRS):
        for scale in (eps, -eps):
            with params.probed(scale, Noise(SEED + k)):
                look()
    start = params.flat()
    drift = float(np.sqrt(np.mean(np.square(start - before)))) / eps
    update = Noise(SEED + PAIRS)
    params.add(step, update)
    made = params.flat() - start
    meant = step * np.concatenate(
        [np.asarray(params.dense(update, block), np.float64) for block in params.blocks]
    )
    share = float(np.vdot(made, meant) / np.vdot(meant, meant)) if step else float("nan")
    return Numerics(drift, float(np.mean(made != 0)), share)


def sampled(params: TensorParams) -> TensorParams:
    """Params over copies of up to SAMPLE coordinates of every block, rounded as the original."""
    return TensorParams(list(_pieces(params)), rounding=params.rounding)


def _pieces(params: TensorParams) -> Iterator[tuple[str, torch.Tensor]]:
    for block in params.blocks:
        yield block.name, block.data[:: max(1, block.size // SAMPLE)][:SAMPLE].clone()


def resolution(loss: float, eps: float, slope: float, digits: int = 24) -> float:
    """The step between two slopes that a loss of `digits` binary digits tells apart, over `slope`.

    ulp(loss) / (2 eps) / |slope|: at 1, slopes are noise of rounding.
    """
    ulp = 2.0 ** (np.floor(np.log2(abs(loss))) + 1 - digits) if loss else 0.0
    return float(ulp / (2 * eps) / abs(slope)) if slope else float("inf")
