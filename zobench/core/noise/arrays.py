"""Noise into NumPy arrays: picks the kernel, shares a large array out over threads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zobench.core.noise import cpu
from zobench.core.noise.threads import LEAST, in_slices
from zobench.errors import BadInput

Terms = Sequence[tuple[float, int]]  # (scale, seed)


def accumulate(
    out: np.ndarray, terms: Terms, law: int, block: int, stream: int, start: int, threads: int
) -> None:
    """out += sum of scale * z(seed) over `terms`, each rounded in the array's type."""
    if len(terms) == 1:
        ((scale, seed),) = terms
        kernel = cpu.accumulate
    else:
        scale = np.array([s for s, _ in terms], np.float64)
        seed = np.array([s for _, s in terms], np.int64)
        kernel = cpu.accumulate_many
    try:
        if threads <= 1 or out.size < 2 * LEAST:
            kernel(out, scale, law, seed, block, stream, start)
            return

        def part(a: int, b: int) -> None:
            kernel(out[a:b], scale, law, seed, block, stream, start + a)

        in_slices(part, out.size, threads)
    except TypeError as error:  # numba: no kernel for these types
        raise _refused(out, 1, (np.float32, np.float64)) or error from None


def accumulate_rows(
    out: np.ndarray, places: np.ndarray, terms: Terms, law: int, block: int, stream: int
) -> None:
    """out[r] += the part of the sum over `terms` that row places[r] of a table is."""
    scales = np.array([s for s, _ in terms], np.float64)
    seeds = np.array([s for _, s in terms], np.int64)
    try:
        cpu.accumulate_rows(out, places, scales, law, seeds, block, stream, 0)
    except TypeError as error:
        raise _refused(out, 2, (np.float32, np.float64)) or error from None


def rows(
    points: np.ndarray,
    scales: Sequence[float] | np.ndarray,
    law: int,
    seeds: Sequence[int] | np.ndarray,
    block: int,
    stream: int,
    start: int,
) -> None:
    """points[k] += scales[k] * z(seeds[k])."""
    weights = np.ascontiguousarray(scales, np.float64)
    keys = np.ascontiguousarray(seeds, np.int64)
    if not len(points) == len(weights) == len(keys):
        raise BadInput(
            f"noise rows: {len(points)} points, {len(weights)} scales and {len(keys)} seeds;"
            " these must be equally many"
        )
    try:
        cpu.rows(points, weights, law, keys, block, stream, start)
    except TypeError as error:
        raise _refused(points, 2, (np.float64,)) or error from None


def _refused(out: np.ndarray, axes: int, types: tuple[type, ...]) -> BadInput | None:
    """The error for an array that no kernel takes; None where the array is not at fault."""
    strided = axes == 1 and not out.flags.c_contiguous
    if out.ndim == axes and out.dtype in types and out.flags.writeable and not strided:
        return None
    names = " or ".join(np.dtype(t).name for t in types)
    contiguous, flaw = ("contiguous ", ", strided" * strided) if axes == 1 else ("", "")
    flaw += "" if out.flags.writeable else ", read-only"
    return BadInput(
        f"noise needs a writable {contiguous}{axes}-D array of {names},"
        f" not {out.ndim}-D {out.dtype}{flaw}"
    )
