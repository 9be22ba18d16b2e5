"""Noise into NumPy arrays: the choice of a kernel, and large arrays shared out over threads."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from zobench.core.noise import cpu, cpu_rows
from zobench.core.noise.layout import FLOAT64
from zobench.core.noise.team import together
from zobench.core.noise.threads import LEAST, slice_of
from zobench.errors import BadInput

NumberTerms = Sequence[tuple[float, int]]  # (scale, seed), no tensors
FLOATS = (np.float32, np.float64)
SIZES = (4, 8, 2, 2)  # bytes of an element, of each kind in `layout`
Slab = tuple[int, int, int, int, int]  # kind, address, size, block, start


def accumulate(
    out: np.ndarray, terms: NumberTerms, law: int, block: int, stream: int, start: int, threads: int
) -> None:
    """Add the sum of scale * z(seed) to `out`, each term rounded in the type of the array."""
    if len(terms) > 1 or (threads > 1 and out.size >= LEAST):
        if refused := _refused(out, 1, FLOATS):
            raise refused
        slab = (FLOATS.index(out.dtype.type), out.ctypes.data, out.size, block, start)
        share([slab], terms, law, stream, threads)
        return
    ((scale, seed),) = terms
    try:
        cpu.accumulate(out, scale, law, seed, block, stream, start)
    except TypeError as error:  # numba: no kernel for these types
        raise _refused(out, 1, FLOATS) or error from None


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
        _share(cpu.share, whole, terms, law, stream, threads, rounding)
    if halves:
        from zobench.core.noise import cpu_halves  # compiled where 16-bit weights are

        _share(cpu_halves.share, halves, terms, law, stream, threads, rounding)


def _share(
    work: Any,
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
        work.ctypes(job.ctypes.data)
    else:
        together(work, job.ctypes.data, threads)


def accumulate_rows(
    out: np.ndarray, places: np.ndarray, terms: NumberTerms, law: int, block: int, stream: int
) -> None:
    """Add to out[r] the sum over the terms for row places[r] of a table."""
    from zobench.core.noise import cpu_tables  # for tensors alone: functions start without it

    scales, seeds = _columns(terms)
    try:
        cpu_tables.accumulate_rows(out, places, scales, law, seeds, block, stream, 0)
    except TypeError as error:
        raise _refused(out, 2, FLOATS) or error from None


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
    weights = np.ascontiguousarray(scales, np.float64)
    keys = np.ascontiguousarray(seeds, np.int64)
    if not len(points) == len(weights) == len(keys):
        raise BadInput(
            f"noise rows: {len(points)} points, {len(weights)} scales and {len(keys)} seeds;"
            " these must be equally many"
        )
    try:
        cpu_rows.rows(points, weights, law, keys, block, stream, start)
    except TypeError as error:
        raise _refused(points, 2, (np.float64,)) or error from None


def _columns(terms: NumberTerms) -> tuple[np.ndarray, np.ndarray]:
    """Return the scales and the seeds as arrays."""
    return np.array([s for s, _ in terms], np.float64), np.array([s for _, s in terms], np.int64)


def _refused(out: np.ndarray, axes: int, types: tuple[type, ...]) -> BadInput | None:
    """Return the error for an array that no kernel takes; None if the array is not at fault."""
    strided = axes == 1 and not out.flags.c_contiguous
    if out.ndim == axes and out.dtype in types and out.flags.writeable and not strided:
        return None
    names = " or ".join(np.dtype(t).name for t in types)
    contiguous, fault = ("contiguous ", ", strided" * strided) if axes == 1 else ("", "")
    fault += "" if out.flags.writeable else ", read-only"
    return BadInput(
        f"noise needs a writable {contiguous}{axes}-D array of {names},"
        f" not {out.ndim}-D {out.dtype}{fault}"
    )
