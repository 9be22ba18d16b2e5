"""Noise on a GPU, the kernel: one read and one write of the output for all terms.

A program takes a tile (`cuda_tile`); only the programs at the two ends of a tensor have masks. For
rademacher a program makes its words once for `bits` of their 32 bits, and 32 / `bits` programs
share a tile, so that small tensors fill the device too.
"""

# Triton reads these types itself and wraps plain values at calls:
# pyright: reportInvalidTypeForm=false, reportArgumentType=false
# pyright: reportAssignmentType=false, reportGeneralTypeIssues=false
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import triton
import triton.language as tl

from zobench.core.noise.cuda_draw import rounded
from zobench.core.noise.cuda_tile import BITS_CHUNK, CHUNK, RADEMACHER, add_tile

STORED = tl.constexpr(1024)  # elements that one program of `store` takes


@triton.jit
def _scale(value, at, wide: tl.constexpr):
    """A scale: the bits of a float64, or where a pointer is given what it points to."""
    if at is None:
        return value.to(tl.int64).to(tl.float64, bitcast=True).to(wide)
    else:
        return tl.load(at).to(wide)


@triton.jit
def _seed(value, at):
    if at is None:
        return value.to(tl.int64)
    else:
        return tl.load(at)


ARGUMENTS = [
    *("origin", "start", "stop", "block", "stream", "count", "rounding", "counters"),
    *("width", "each"),
    *(f"{name}{k}" for name in ("scale", "seed", "scale_at", "seed_at") for k in range(4)),
]


@triton.jit(do_not_specialize=ARGUMENTS)
def accumulate(
    origin: tl.int64, start: tl.int64, stop: tl.int64, block: tl.int64,
    rows, row_of, places, width: tl.int64, each: tl.int64, stream: tl.int64, rounding: tl.int64,
    count: tl.int64, table, counters,
    scale0: tl.int64, scale_at0, seed0: tl.int64, seed_at0,
    scale1: tl.int64, scale_at1, seed1: tl.int64, seed_at1,
    scale2: tl.int64, scale_at2, seed2: tl.int64, seed_at2,
    scale3: tl.int64, scale_at3, seed3: tl.int64, seed_at3,
    element: tl.constexpr, wide: tl.constexpr, law: tl.constexpr, terms: tl.constexpr,
    stochastic: tl.constexpr, aligned: tl.constexpr, height: tl.constexpr, bits: tl.constexpr,
):  # fmt: skip
    """One program: a tile, or the part of one that bits bits give.

    One tensor: `origin` is where element 0 of the stream would lie, `start` and `stop` the
    elements there are. Many: rows[:, i] is (origin, elements, block, first program) of tensor i,
    and row_of[program] its i. Rows of a table: row r of the tensor at `origin`, of `width`
    elements, is row places[r] of the table, and has `each` programs; those too many do nothing.
    Origins are multiples of 16 if aligned. Unused pointers are None.
    """
    program = tl.program_id(0).to(tl.int64)
    if row_of is not None:
        row = rows + tl.load(row_of + program) * 4
        origin = tl.load(row)
        stop = tl.load(row + 1)
        block = tl.load(row + 2)
        program -= tl.load(row + 3)
        start = stop * 0
    if places is not None:
        here = program // each
        program %= each
        place = tl.load(places + here)
        start = place * width
        stop = start + width
        origin += (here - place) * width * (element.primitive_bitwidth // 8)
    PARTS: tl.constexpr = 32 // bits if law == RADEMACHER else 1
    SPAN: tl.constexpr = height * (BITS_CHUNK if law == RADEMACHER else CHUNK)
    start, stop = start.to(tl.int64), stop.to(tl.int64)
    tile = start // SPAN + program // PARTS
    first_bit = (program % PARTS).to(tl.int32) * bits
    begin = tile * SPAN
    at = origin.to(tl.int64).to(tl.pointer_type(element))
    if aligned:
        at = tl.multiple_of(at, 16)
    at += begin
    left = tl.maximum(start - begin, 0).to(tl.int32)
    right = tl.minimum(tl.maximum(stop - begin, 0), SPAN).to(tl.int32)
    scales = (
        _scale(scale0, scale_at0, wide), _scale(scale1, scale_at1, wide),
        _scale(scale2, scale_at2, wide), _scale(scale3, scale_at3, wide),
    )  # fmt: skip
    seeds = (
        _seed(seed0, seed_at0), _seed(seed1, seed_at1),
        _seed(seed2, seed_at2), _seed(seed3, seed_at3),
    )  # fmt: skip
    block, stream = block.to(tl.uint32), stream.to(tl.uint32)
    rounding, count = rounding.to(tl.int64), count.to(tl.int32)
    if (left == 0) & (right == SPAN):
        add_tile(
            at, tile, first_bit, left, right, block, stream, scales, seeds, count, table, rounding,
            counters, element, wide, law, terms, stochastic, height, bits, False,
        )  # fmt: skip
    else:
        add_tile(
            at, tile, first_bit, left, right, block, stream, scales, seeds, count, table, rounding,
            counters, element, wide, law, terms, stochastic, height, bits, True,
        )  # fmt: skip


@triton.jit(do_not_specialize=["count"])
def store(out, values, uniforms, count: tl.int64, element: tl.constexpr):
    """One program: STORED values (float32) into 16 bits, rounded stochastically by the uniforms."""
    at = tl.program_id(0).to(tl.int64) * STORED + tl.arange(0, STORED)
    here = at < count
    x = tl.load(values + at, mask=here)
    uniform = tl.load(uniforms + at, mask=here)
    word = (uniform * 16777216.0).to(tl.uint32) << 8  # the 24 bits that the uniform was made of
    tl.store(out + at, rounded(x, word, element), mask=here)
