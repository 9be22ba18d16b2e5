"""Noise into NumPy arrays: the choice of a kernel, and large arrays shared out over threads."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from zobench.core.noise import jobs
from zobench.core.noise.layout import BFLOAT16, FLOAT16, FLOAT32, FLOAT64
from zobench.core.noise.native import Kernel, kernel
from zobench.core.noise.team import together
from zobench.core.noise.threads import LEAST, slice_of
from zobench.errors import BadInput

NumberTerms = Sequence[tuple[float, int]]  # (scale, seed), no tensors
KINDS = {np.dtype(np.float32): FLOAT32, np.dtype(np.float64): FLOAT64}  # of elements
SIZES = (4, 8, 2, 2)  # bytes of an element, of each kind in `layout`
Slab = tuple[int, int, int, int, int]  # kind, address, size, block, start


def accumulate(
    out: np.ndarray, terms: NumberTerms, law: int, block: int, stream: int, start: int, threads: int
) -> None:
    """Add the sum of scale * z(seed) to `out`, each term rounded in the type of the array."""
    kind, size = _kind(out, 1), out.size
    if len(terms) > 1 or (threads > 1 and size >= LEAST):
        share([(kind, out.ctypes.data, size, block, start)], terms, law, stream, threads)
        return
    ((scale, seed),) = terms
    job = jobs.accumulate(kind, id(out), size, scale, law, seed, block, stream, start)
    kernel("cpu.accumulate")(job)


def share(
    slabs: Sequence[Slab],
    terms: NumberTerms,
    law: int,
    stream: int,
    threads: int,
    rounding: tuple[int, int] | None = None,
) -> None:
    """Add noise to each of the arrays at addresses that stay valid, shared out over threads.

    `rounding`: (seed, stream) of stochastic rounding of 16-bit elements.
    """
    whole = [slab for slab in slabs if slab[0] <= FLOAT64]
    halves = [slab for slab in slabs if slab[0] > FLOAT64]
    if whole:
        _share(kernel("cpu.share"), whole, terms, law, stream, threads, rounding)
    if halves:
        _share(kernel("cpu_halves.share"), halves, terms, law, stream, threads, rounding)


def _share(
    work: Kernel,
    slabs: Sequence[Slab],
    terms: NumberTerms,
    law: int,
    stream: int,
    threads: int,
    rounding: tuple[int, int] | None,
) -> None:
    total = sum(size for _, _, size, _, _ in slabs)
    alone = threads <= 1 or total < LEAST
    step = max(1, total if alone else slice_of(total, threads))
    parts = [
        (kind, at + first * SIZES[kind], min(step, size - first), block, start + first)
        for kind, at, size, block, start in slabs
        for first in range(0, size, step)
    ]
    scales, seeds = _columns(terms)
    numbers = (len(terms), scales.ctypes.data, seeds.ctypes.data, *(rounding or (-1, 0)))
    job = np.fromiter(itertools.chain((0, len(parts), law, stream), numbers, *parts), np.int64)
    if alone:
        work(job.ctypes.data)
    else:
        together(work, job.ctypes.data, threads)


def accumulate_rows(
    out: np.ndarray, places: np.ndarray, terms: NumberTerms, law: int, block: int, stream: int
) -> None:
    """Add to out[r] the sum over the terms for row places[r] of a table.

    `places`: int64, contiguous, as many as `out` has rows.
    """
    kind = _kind(out, 2)
    head = kind, id(out), *out.shape, id(places), len(terms), law, block, stream
    scales, seeds = [scale for scale, _ in terms], [seed for _, seed in terms]
    kernel("cpu_tables.accumulate_rows")(jobs.rows(head, scales, seeds))


def rows(
    points: np.ndarray,
    scales: Sequence[float] | np.ndarray,
    law: int,
    seeds: Sequence[int] | np.ndarray,
    block: int,
    stream: int,
    start: int,
) -> None:
    """Add scales[k] * z(seeds[k]) to points[k]."""
    count = len(points)
    if not count == len(scales) == len(seeds):
        raise BadInput(
            f"noise rows: {count} points, {len(scales)} scales and {len(seeds)} seeds;"
            " these must be equally many"
        )
    usable = points.ndim == 2 and points.flags.behaved and KINDS.get(points.dtype) == FLOAT64
    if not usable or (points.size > count and points.strides[1] != SIZES[FLOAT64]):
        raise _refused(points, 2, "float64")
    head = id(points), points.strides[0], count, points.shape[1], law, block, stream, start
    kernel("cpu_rows.rows")(jobs.rows(head, scales, seeds))


def round_stochastic(out: np.ndarray, values: np.ndarray, uniforms: np.ndarray) -> None:
    """Round `values` to the elements of `out` by uniforms in [0, 1) of 24 bits.

    All are contiguous and of one size; `values` and `uniforms` are float32. The type of `out` is
    uint16 for the bits of bfloat16, and int16 for those of float16.
    """
    kind = BFLOAT16 if out.dtype == np.uint16 else FLOAT16
    job = jobs.round_stochastic(kind, id(out), out.size, id(values), id(uniforms))
    kernel("cpu_store.round_stochastic")(job)


def _columns(terms: NumberTerms) -> tuple[np.ndarray, np.ndarray]:
    """Return the scales and the seeds as arrays."""
    return np.array([s for s, _ in terms], np.float64), np.array([s for _, s in terms], np.int64)


def _kind(out: np.ndarray, axes: int) -> int:
    """Return the kind of the elements. Raises BadInput for an array that no kernel takes."""
    kind = KINDS.get(out.dtype)
    if kind is None or out.ndim != axes or not out.flags.carray:  # contiguous and writable
        raise _refused(out, axes, "float32 or float64")
    return kind


def _refused(out: np.ndarray, axes: int, types: str) -> BadInput:
    """Return the error for an array that no kernel takes."""
    fault = "" if out.flags.c_contiguous else ", strided"
    fault += "" if out.flags.writeable else ", read-only"
    return BadInput(
        f"noise needs a writable contiguous {axes}-D array of {types},"
        f" not {out.ndim}-D {out.dtype}{fault}"
    )
