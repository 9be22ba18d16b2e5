"""Values made elsewhere, rounded stochastically to 16 bits on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from zobench.core.noise.compiled import (
    carray,
    elements_of_array,
    inlined,
    kernel,
    pointer_f32,
    pointer_i16,
    pointer_i64,
    pointer_u16,
)
from zobench.core.noise.elements import save_rounded
from zobench.core.noise.layout import BFLOAT16

F, I, W = np.float32, np.int32, np.uint32  # noqa: E741
JOB = 5  # numbers of a job


@inlined
def round_all(out: Any, values: np.ndarray, uniforms: np.ndarray) -> None:
    """Set each out[k] to values[k], rounded by a uniform."""
    for k in range(out.size):
        save_rounded(out, k, values[k], W(W(I(uniforms[k] * F(2.0**24))) << W(8)))


@kernel
def round_stochastic(job: int) -> None:
    """Round values to the elements of `out` by uniforms in [0, 1) of 24 bits.

    `job` is the address of int64 numbers:

        index     0     1    2         3       4
        number    kind  out  elements  values  uniforms

    `out`, `values` and `uniforms` (float32) are the `id` of contiguous arrays of one size. The kind
    is BFLOAT16 or FLOAT16.
    """
    kind, array, size, values_id, uniforms_id = carray(pointer_i64(job), JOB)
    at = elements_of_array(array)
    values = carray(pointer_f32(elements_of_array(values_id)), size)
    uniforms = carray(pointer_f32(elements_of_array(uniforms_id)), size)
    if kind == BFLOAT16:
        round_all(carray(pointer_u16(at), size), values, uniforms)
    else:
        round_all(carray(pointer_i16(at), size), values, uniforms)
