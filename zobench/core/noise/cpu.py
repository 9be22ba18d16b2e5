"""Noise on the CPU: fused numba kernels that add scale * z(seed) to arrays in one pass.

To import this module compiles the kernels. `native.kernel` gives them without that, where it can.
"""

from __future__ import annotations

from zobench.core.noise.compiled import (
    carray,
    elements_of_array,
    kernel,
    pointer_f32,
    pointer_f64,
    pointer_i64,
    take,
)
from zobench.core.noise.draw import accumulate_all
from zobench.core.noise.layout import FLOAT64

HEAD, PART = 9, 5  # numbers of a job of `share`, and of each of its parts
ONE, SCALE, SEED = 9, 3, 5  # numbers of a job of `accumulate`, and the places of two of them


@kernel
def accumulate(job: int) -> None:
    """Add scale * z[start + k] to each out[k], z the stream (seed, block, stream) of a law.

    `job` is the address of int64 numbers, of which the scale is float64:

        index     0     1    2         3      4    5     6      7       8
        number    kind  out  elements  scale  law  seed  block  stream  start

    `out` is the `id` of a contiguous array. The kind is FLOAT32 or FLOAT64. Sums are rounded once,
    in the type of the array.
    """
    kind, array, size, _, law, _, block, stream, start = carray(pointer_i64(job), ONE)
    scales, seeds = carray(pointer_f64(job + 8 * SCALE), 1), carray(pointer_i64(job + 8 * SEED), 1)
    at = elements_of_array(array)
    if kind == FLOAT64:
        accumulate_all(carray(pointer_f64(at), size), scales, law, seeds, block, stream, start)
    else:
        accumulate_all(carray(pointer_f32(at), size), scales, law, seeds, block, stream, start)


@kernel
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
    k = take(numbers)
    while k < count:
        kind, at, size, block, start = carray(pointer_i64(job + 8 * (HEAD + PART * k)), PART)
        if kind == FLOAT64:
            accumulate_all(carray(pointer_f64(at), size), scales, law, seeds, block, stream, start)
        else:
            accumulate_all(carray(pointer_f32(at), size), scales, law, seeds, block, stream, start)
        k = take(numbers)
