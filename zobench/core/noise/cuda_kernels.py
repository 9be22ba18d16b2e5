"""Noise on a GPU, the kernel: one read and one write of the output for all terms.

A program takes a tile (`cuda_tile`); only the programs at the two ends of a tensor have masks. For
rademacher a program makes its words once for `bits` of their 32 bits, and 32 / `bits` programs
share a tile, so that small tensors fill the device too.

One tensor, the elements from `start` to `stop` of a stream; tile k starts at k * SPAN:

    origin                    start                    stop
    |  tile 0   |  tile 1   |  :tile 2   |  tile 3   |  :
                               ^ program 0  program 1   program 2
                               masked       whole       masked

Arguments of `accumulate`:
    origin, start, stop, block    one tensor: the address of element 0, its elements, its block
    rows, row_of                  many tensors: a table of the four numbers above for each
    places, width,                rows of a table: which, their elements, and the programs that
        programs_per_row          each has
    stream, rounding              the use of the noise; the seed of stochastic rounding
    count, table                  more than four terms: their number and (scales, seeds)
    counters                      0, 1, ..., the lanes of a tile
    scale0, scale_at0,            up to four terms: numbers, or pointers to numbers on the device
        seed0, seed_at0, ...
    element, wide, law, terms,    compiled in: types of the output and of sums, the law, the number
        stochastic, aligned,      of terms (0: in the table), how to round and to load, chunks of a
        height, bits              tile, and bits of a word per program
"""

# Triton reads these types itself and wraps plain values at calls:
# pyright: reportInvalidTypeForm=false, reportArgumentType=false
# pyright: reportAssignmentType=false, reportGeneralTypeIssues=false
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import triton
import triton.language as tl

from zobench.core.noise.cuda_draw import rounded
from zobench.core.noise.cuda_hadamard import BYTES_CHUNK, HADAMARD
from zobench.core.noise.cuda_tile import BITS_CHUNK, CHUNK, RADEMACHER, add_tile

STORED = tl.constexpr(1024)  # elements that one program of `store` takes


@triton.jit
def _scale(value, at, wide: tl.constexpr):
    """Return a scale: the bits of a float64, or the number at a pointer."""
    if at is None:
        return value.to(tl.int64).to(tl.float64, bitcast=True).to(wide)
    else:
        return tl.load(at).to(wide)


@triton.jit
def _seed(value, at):
    """Return a seed: a number, or the number at a pointer."""
    if at is None:
        return value.to(tl.int64)
    else:
        return tl.load(at)


ARGUMENTS = [
    *("origin", "start", "stop", "block", "stream", "count", "rounding", "counters"),
    *("width", "programs_per_row"),
    *(f"{name}{k}" for name in ("scale", "seed", "scale_at", "seed_at") for k in range(4)),
]


@triton.jit(do_not_specialize=ARGUMENTS)
def accumulate(
    origin: tl.int64, start: tl.int64, stop: tl.int64, block: tl.int64,
    rows, row_of, places, width: tl.int64, programs_per_row: tl.int64, stream: tl.int64,
    rounding: tl.int64, count: tl.int64, table, counters,
    scale0: tl.int64, scale_at0, seed0: tl.int64, seed_at0,
    scale1: tl.int64, scale_at1, seed1: tl.int64, seed_at1,
    scale2: tl.int64, scale_at2, seed2: tl.int64, seed_at2,
    scale3: tl.int64, scale_at3, seed3: tl.int64, seed_at3,
    element: tl.constexpr, wide: tl.constexpr, law: tl.constexpr, terms: tl.constexpr,
    stochastic: tl.constexpr, aligned: tl.constexpr, height: tl.constexpr, bits: tl.constexpr,
):  # fmt: skip
    """Run one program: a tile, or the part of one that `bits` bits of its words give.

    One tensor: `origin` is the address of element 0 of the stream, also where the tensor starts
    after it. Many: rows[i] is (origin, elements, block, first program) of tensor i, which is
    row_of[program]. Rows of a table: row r of the tensor at `origin`, of `width` elements, is row
    places[r] of the table; programs beyond its end do nothing. Origins are multiples of 16 if
    aligned. Unused pointers are None.
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
        row_out = program // programs_per_row
        program %= programs_per_row
        row_in = tl.load(places + row_out)
        start = row_in * width
        stop = start + width
        origin += (row_out - row_in) * width * (element.primitive_bitwidth // 8)
    PARTS: tl.constexpr = 32 // bits if law == RADEMACHER else 1
    SPAN: tl.constexpr = height * (
        BITS_CHUNK if law == RADEMACHER else (BYTES_CHUNK if law == HADAMARD else CHUNK)
    )
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
    """Run one program: round STORED values (float32) to 16 bits stochastically, by the uniforms."""
    at = tl.program_id(0).to(tl.int64) * STORED + tl.arange(0, STORED)
    inside = at < count
    x = tl.load(values + at, mask=inside)
    uniform = tl.load(uniforms + at, mask=inside)
    word = (uniform * 16777216.0).to(tl.uint32) << 8  # the 24 bits that the uniform was made of
    tl.store(out + at, rounded(x, word, element), mask=inside)
