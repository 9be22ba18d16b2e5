"""Values made elsewhere, rounded stochastically to 16 bits on the CPU."""

from __future__ import annotations

import numpy as np

from zobench.core.noise.compiled import compiled
from zobench.core.noise.elements import save_rounded

F, I, W = np.float32, np.int32, np.uint32  # noqa: E741


@compiled(
    "void(uint16[::1], float32[::1], float32[::1])", "void(int16[::1], float32[::1], float32[::1])"
)
def round_stochastic(out: np.ndarray, values: np.ndarray, uniforms: np.ndarray) -> None:
    """Round `values` to the elements of `out` by uniforms in [0, 1) of 24 bits, of one size.

    The type of `out` is uint16 for the bits of bfloat16, and int16 for those of float16.
    """
    for k in range(out.size):
        save_rounded(out, k, values[k], W(W(I(uniforms[k] * F(2.0**24))) << W(8)))
