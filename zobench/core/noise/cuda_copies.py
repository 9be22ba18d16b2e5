"""Two perturbed copies of weights on a GPU, with the moves that the weights wait for, in one pass.

A program takes a tile as in `cuda_tile`. It reads the weights once, and writes them (where there
are moves) and both copies once. Bits are those of `cuda_kernels.accumulate`, one call after the
other.
"""

# Triton reads these types itself and wraps plain values at calls:
# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportIndexIssue=false
# pyright: reportAssignmentType=false, reportGeneralTypeIssues=false
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import triton
import triton.language as tl

from zobench.core.noise.cuda_draw import normals, philox, signed, uniform
from zobench.core.noise.cuda_elements import load, save
from zobench.core.noise.cuda_hadamard import BYTES_CHUNK, HADAMARD, ROWS, mix, of_counter
from zobench.core.noise.cuda_kernels import ARGUMENTS, _scale, _seed
from zobench.core.noise.cuda_tile import BITS_CHUNK, CHUNK, GAUSSIAN, LANES, RADEMACHER


@triton.jit
def put_row(
    at, plus, minus, offset, left, right, zs, scales, element: tl.constexpr, wide: tl.constexpr,
    terms: tl.constexpr, signs: tl.constexpr, bit, masked: tl.constexpr,
):  # fmt: skip
    """Move a row and write both copies. `zs`: values of each term and of the copies, or words."""
    x = load(at, offset, left, right, wide, masked)
    for k in tl.static_range(terms):
        if signs:
            x += signed(scales[k], zs[k], bit)
        else:
            x = tl.fma(zs[k].to(wide), scales[k], x)
    if terms > 0:
        save(at, offset, left, right, x, 0, element, False, masked)
        x = x.to(element).to(wide)
    if signs:
        up = x + signed(scales[terms], zs[terms], bit)
        down = x + signed(scales[terms + 1], zs[terms], bit)
    else:
        up = tl.fma(zs[terms].to(wide), scales[terms], x)
        down = tl.fma(zs[terms].to(wide), scales[terms + 1], x)
    save(plus, offset, left, right, up, 0, element, False, masked)
    save(minus, offset, left, right, down, 0, element, False, masked)


@triton.jit
def copy_tile(
    at, plus, minus, tile, first_bit, left, right, block, stream, scales, seeds, counters,
    element: tl.constexpr, wide: tl.constexpr, law: tl.constexpr, terms: tl.constexpr,
    height: tl.constexpr, bits: tl.constexpr, masked: tl.constexpr,
):  # fmt: skip
    """Move a tile and write both copies of it; for rademacher, of some bits of its words."""
    row = tl.arange(0, height)[:, None]
    lane = tl.arange(0, LANES)[None, :]
    index = tile * (height * LANES)
    low = tl.load(counters + (row * LANES + lane)).to(tl.uint32) + index.to(tl.uint32)
    high = (index >> 32).to(tl.uint32)
    if law == HADAMARD:
        mixed = ()
        for k in tl.static_range(terms + 1):
            mixed += (of_counter(low, high, block, stream, seeds[k]),)
        for group in tl.static_range(4):
            z0 = ()
            z1 = ()
            z2 = ()
            z3 = ()
            for k in tl.static_range(terms + 1):
                a, b, c, d = mix(
                    mixed[k][4 * group], mixed[k][4 * group + 1], mixed[k][4 * group + 2],
                    mixed[k][4 * group + 3],
                )  # fmt: skip
                z0 += (a,)
                z1 += (b,)
                z2 += (c,)
                z3 += (d,)
            offset = row * BYTES_CHUNK + lane + group * ROWS
            put_row(at, plus, minus, offset, left, right, z0, scales, element, wide, terms, False,
                    0, masked)  # fmt: skip
            put_row(at, plus, minus, offset + LANES, left, right, z1, scales, element, wide, terms,
                    False, 0, masked)  # fmt: skip
            put_row(at, plus, minus, offset + 2 * LANES, left, right, z2, scales, element, wide,
                    terms, False, 0, masked)  # fmt: skip
            put_row(at, plus, minus, offset + 3 * LANES, left, right, z3, scales, element, wide,
                    terms, False, 0, masked)  # fmt: skip
    else:
        z0 = ()
        z1 = ()
        z2 = ()
        z3 = ()
        for k in tl.static_range(terms + 1):
            a, b, c, d = philox(low, high, block, stream, seeds[k], 0)
            if law == GAUSSIAN:
                a, b = normals(a, b)
                c, d = normals(c, d)
            elif law != RADEMACHER:
                a, b, c, d = uniform(a), uniform(b), uniform(c), uniform(d)
            z0 += (a,)
            z1 += (b,)
            z2 += (c,)
            z3 += (d,)
        signs: tl.constexpr = law == RADEMACHER
        size: tl.constexpr = BITS_CHUNK if signs else CHUNK
        for bit in range(first_bit, first_bit + bits):
            offset = row * size + lane + bit * CHUNK
            put_row(at, plus, minus, offset, left, right, z0, scales, element, wide, terms, signs,
                    bit, masked)  # fmt: skip
            put_row(at, plus, minus, offset + LANES, left, right, z1, scales, element, wide, terms,
                    signs, bit, masked)  # fmt: skip
            put_row(at, plus, minus, offset + 2 * LANES, left, right, z2, scales, element, wide,
                    terms, signs, bit, masked)  # fmt: skip
            put_row(at, plus, minus, offset + 3 * LANES, left, right, z3, scales, element, wide,
                    terms, signs, bit, masked)  # fmt: skip


@triton.jit(do_not_specialize=[*ARGUMENTS, "origin_plus", "origin_minus"])
def copies(
    origin: tl.int64, origin_plus: tl.int64, origin_minus: tl.int64, start: tl.int64,
    stop: tl.int64, block: tl.int64, stream: tl.int64, counters,
    scale0: tl.int64, scale_at0, seed0: tl.int64, seed_at0,
    scale1: tl.int64, scale_at1, seed1: tl.int64, seed_at1,
    scale2: tl.int64, scale_at2, seed2: tl.int64, seed_at2,
    scale3: tl.int64, scale_at3, seed3: tl.int64, seed_at3,
    element: tl.constexpr, wide: tl.constexpr, law: tl.constexpr, terms: tl.constexpr,
    aligned: tl.constexpr, height: tl.constexpr, bits: tl.constexpr,
):  # fmt: skip
    """Run one program. The last two of `terms` + 2 scales and the last seed are the copies'."""
    program = tl.program_id(0).to(tl.int64)
    PARTS: tl.constexpr = 32 // bits if law == RADEMACHER else 1
    SPAN: tl.constexpr = height * (
        BITS_CHUNK if law == RADEMACHER else (BYTES_CHUNK if law == HADAMARD else CHUNK)
    )
    start, stop = start.to(tl.int64), stop.to(tl.int64)
    tile = start // SPAN + program // PARTS
    first_bit = (program % PARTS).to(tl.int32) * bits
    begin = tile * SPAN
    at = origin.to(tl.int64).to(tl.pointer_type(element))
    plus = origin_plus.to(tl.int64).to(tl.pointer_type(element))
    minus = origin_minus.to(tl.int64).to(tl.pointer_type(element))
    if aligned:
        at, plus = tl.multiple_of(at, 16), tl.multiple_of(plus, 16)
        minus = tl.multiple_of(minus, 16)
    at, plus, minus = at + begin, plus + begin, minus + begin
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
    if (left == 0) & (right == SPAN):
        copy_tile(
            at, plus, minus, tile, first_bit, left, right, block, stream, scales, seeds, counters,
            element, wide, law, terms, height, bits, False,
        )  # fmt: skip
    else:
        copy_tile(
            at, plus, minus, tile, first_bit, left, right, block, stream, scales, seeds, counters,
            element, wide, law, terms, height, bits, True,
        )  # fmt: skip
