"""Noise on the CPU: fused numba kernels that add scale * z(seed) to arrays in one pass.

To import this module compiles or loads the kernels; `interface` does so at its first use.
"""

from __future__ import annotations

import numpy as np

from zobench.core.noise.compiled import (
    carray,
    compiled,
    pointer_f32,
    pointer_f64,
    pointer_i64,
    shared_work,
    take,
)
from zobench.core.noise.draw import accumulate_all
from zobench.core.noise.layout import FLOAT64

HEAD, PART = 9, 5  # numbers of a job, and of each of its parts
_ONE = "float64, int64, int64, int64, int64, int64)"


@compiled(f"void(float32[::1], {_ONE}", f"void(float64[::1], {_ONE}")
def accumulate(
    out: np.ndarray, scale: float, law: int, seed: int, block: int, stream: int, start: int
) -> None:
    """Add scale * z[start + k] to each out[k], z the stream (seed, block, stream) of a law.

    `out` is a contiguous float32 or float64 array; sums are rounded once, in its type.
    """
    accumulate_all(out, (scale,), law, (seed,), block, stream, start)


@shared_work
def share(job: int) -> None:
    """Add several terms to parts of arrays; each thread that is called takes the next part.

    `job` is the address of int64 numbers:

        index     0          1      2    3       4      5       6      7              8
        number    next part  parts  law  stream  terms  scales  seeds  rounding seed  its stream

    with the addresses of the scales (float64) and seeds (int64); then, for each part:

        index     0     1        2         3      4
        number    kind  address  elements  block  start

    The kind is FLOAT32 or FLOAT64. Nothing is rounded stochastically here.
    """
    numbers = pointer_i64(job)
    _, count, law, stream, terms, scales_at, seeds_at, _, _ = carray(numbers, HEAD)
    scales, seeds = carray(pointer_f64(scales_at), terms), carray(pointer_i64(seeds_at), terms)
    parts = carray(numbers, HEAD + PART * count)[HEAD:].reshape(count, PART)
    k = take(numbers)
    while k < count:
        kind, at, size, block, start = parts[k]
        if kind == FLOAT64:
            accumulate_all(carray(pointer_f64(at), size), scales, law, seeds, block, stream, start)
        else:
            accumulate_all(carray(pointer_f32(at), size), scales, law, seeds, block, stream, start)
        k = take(numbers)
