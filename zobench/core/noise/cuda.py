"""Noise into CUDA tensors: checks, tables on the device, and one launch of the Triton kernel.

Nothing here waits for the device: host scales and seeds are kernel arguments, those on the device
are read there, and tables are copied from pinned memory on the stream of the launch.

Instructions of a thread per element, counted in the machine code for the H100 and H200 (sm_90; one
term, no masks, the first instructions of a program included):
    gaussian    37, of which Philox 10, logarithm 8, root 3, sine and cosine 8, sum and rounding 3
    hadamard    20 (bfloat16) or 18 (float32)
    uniform     19
    rademacher   7 (bfloat16) or 6 (float32), of which Philox 1.5, sign 2, sum 1
Stochastic rounding adds 24; a second Gaussian term adds 32, and a second hadamard term 17. An H200
(132 multiprocessors, 128 lanes each, about 1.9 GHz) has time for 43 per element of bfloat16, and 85
of float32, at 70 % of the bandwidth of a copy (4.3 TB/s read and written). By this count Gaussian
bfloat16 is bound by instructions, and all else of one term by memory.

To measure: torch.randn(2**30, dtype=...) with each law, 1, 2 and 4 terms, with and without
`stochastic_seed`; time 20 calls between two CUDA events after 3 calls that compile; bandwidth =
2 * bytes / time, next to that of `copy_` between two such tensors. Then `accumulate_blocks` on the
parameters of a transformer next to a loop over `accumulate`, and one call of 4096 elements for the
cost of a launch. What to try is TUNING: more or fewer warps, 8-byte lanes, 4 or 16 bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import triton.language as tl

from zobench.core.noise import cuda_copies, cuda_kernels, cuda_memory
from zobench.core.noise.layout import (
    BITS_CHUNK,
    BYTES_CHUNK,
    CHUNK,
    HADAMARD,
    LANES,
    LAWS,
    RADEMACHER,
)
from zobench.errors import BadInput


class Tuning(NamedTuple):
    """Settings of speed; no bit of a result depends on them."""

    warps: int = 4
    lane_bytes: int = 16  # of neighbouring lanes in a thread: the width of a load
    busy_bytes: int = (
        8  # the same for 16 bits of several terms, rounded stochastically, of hadamard
    )
    bits: int = 8  # rademacher: bits of each word that one program uses, a power of 2


TUNING = Tuning()
_ONE = (None, None, None, 0, 0)  # `rows` to `programs_per_row` of the kernel for one tensor
ARGUED = 4  # terms that are arguments; more are in a table
TYPES = {
    torch.float16: tl.float16,
    torch.bfloat16: tl.bfloat16,
    torch.float32: tl.float32,
    torch.float64: tl.float64,
}


def accumulate(
    out: torch.Tensor,
    terms: Sequence[tuple[Any, Any]],
    law: str,
    block: int,
    stream: int,
    start: int,
    stochastic_seed: int | None,
) -> None:
    """Add noise to a contiguous 1-D CUDA tensor of 16, 32 or 64 bits: see `interface.accumulate`.

    Bits are those of the kernels of the CPU, for all types, laws and ways of rounding.
    """
    _check(out)
    if not out.numel() or not terms:
        return
    size = out.element_size()
    origin = (out.data_ptr() - start * size + 2**63) % 2**64 - 2**63  # may lie below address 0
    height = _height(size, law, len(terms), stochastic_seed is not None)
    span, parts = _program(LAWS.index(law), height)
    programs = ((start + out.numel() - 1) // span - start // span + 1) * parts
    where = (origin, start, start + out.numel(), block, *_ONE)
    _launch(out, programs, where, height, origin % 16 == 0, terms, law, stream, stochastic_seed)


def accumulate_blocks(
    outs: Sequence[torch.Tensor],
    blocks: Sequence[int],
    terms: Sequence[tuple[Any, Any]],
    law: str,
    stream: int,
    stochastic_seed: int | None,
) -> None:
    """Add the noise of each block to its tensor, with one launch per kind of tensors.

    A kind is a device, a type and an alignment to 16 bytes. Tensors that start at one address (tied
    weights) get their noise one after the other.
    """
    kinds: dict[Any, list[tuple[torch.Tensor, int]]] = {}
    seen: set[int] = set()
    for out, block in zip(outs, blocks):
        _check(out)
        address = out.data_ptr()
        again = (block, len(kinds)) if address in seen else None
        seen.add(address)
        kind = (out.device, out.dtype, address % 16 == 0, again)
        kinds.setdefault(kind, []).append((out, block))
    for (device, _, aligned, _), members in kinds.items():
        first = members[0][0]
        spans = tuple((out.data_ptr(), out.numel(), block) for out, block in members if len(out))
        if not spans or not terms:
            continue
        height = _height(first.element_size(), law, len(terms), stochastic_seed is not None)
        program = _program(LAWS.index(law), height)
        queue = cuda_memory.queue(device)
        rows, row_of = cuda_memory.tensors_table(device, queue, spans, *program)
        where = (0, 0, 0, 0, rows, row_of, None, 0, 0)
        _launch(first, len(row_of), where, height, aligned, terms, law, stream, stochastic_seed)


def accumulate_rows(
    out: torch.Tensor,
    places: torch.Tensor,
    terms: Sequence[tuple[Any, Any]],
    law: str,
    block: int,
    stream: int,
    stochastic_seed: int | None,
) -> None:
    """Add the noise of some rows of a table to a contiguous 2-D CUDA tensor, in one launch.

    Each row is drawn by itself, equal ones too, as the host never reads `places`. A row costs whole
    chunks of 256 counters, so that narrow rows (below 1024 elements) cost up to four times as much
    per element as a whole table.
    """
    _check(out.view(-1))
    (_, width), size, height = out.shape, out.element_size(), 1
    span, parts = _program(LAWS.index(law), height)
    # Rows start at multiples of their width: the most tiles that one of them meets.
    programs_per_row = ((span - math.gcd(width, span) + width - 1) // span + 1) * parts
    where = (out.data_ptr(), 0, 0, block, None, None, places.contiguous(), width, programs_per_row)
    aligned = out.data_ptr() % 16 == 0 and width * size % 16 == 0
    programs = len(out) * programs_per_row
    _launch(out, programs, where, height, aligned, terms, law, stream, stochastic_seed)


COPIED = 2  # moves at most that `copies` takes: their scales and those of the copies are arguments


def copies(
    weight: torch.Tensor,
    plus: torch.Tensor,
    minus: torch.Tensor,
    terms: Sequence[tuple[Any, Any]],
    law: str,
    block: int,
    stream: int,
    start: int,
) -> None:
    """Move weights and make both copies in one launch; the last two terms are those of the copies.

    See `copies.perturbed_pair`. At most COPIED + 2 terms.
    """
    _check(weight)
    if not weight.numel():
        return
    code, size, device = LAWS.index(law), weight.element_size(), weight.device
    height = _height(size, law, len(terms) - 1, stochastic=False)
    span, parts = _program(code, height)
    programs = ((start + weight.numel() - 1) // span - start // span + 1) * parts
    origins = [
        (out.data_ptr() - start * size + 2**63) % 2**64 - 2**63 for out in (weight, plus, minus)
    ]
    argued: list[Any] = []
    with cuda_memory.on(device):
        for scale, seed in terms:
            argued += cuda_memory.scale_argument(scale, device)
            argued += cuda_memory.seed_argument(seed, device)
        argued += [0, None] * (2 * ARGUED - len(argued) // 2)
        kernel: Any = cuda_copies.copies
        kernel[(programs,)](
            *origins,
            start,
            start + weight.numel(),
            block,
            stream,
            cuda_memory.counters(device, cuda_memory.queue(device), height * LANES),
            *argued,
            TYPES[weight.dtype],
            tl.float64 if size == 8 else tl.float32,
            code,
            len(terms) - 2,
            all(origin % 16 == 0 for origin in origins),
            height,
            TUNING.bits if code == RADEMACHER else 1,
            num_warps=TUNING.warps,
            num_stages=1,
            enable_fp_fusion=False,  # bits: see `cuda_draw`
        )


def store(out: torch.Tensor, values: torch.Tensor, uniforms: torch.Tensor) -> None:
    """Round values to the 16 bits of `out` by uniforms, for flat CUDA tensors."""
    _check(out)
    if not out.numel():
        return
    kernel: Any = cuda_kernels.store
    with cuda_memory.on(out.device):
        programs = -(-out.numel() // cuda_kernels.STORED.value)
        kernel[(programs,)](out, values, uniforms, out.numel(), TYPES[out.dtype])


def _launch(
    out: torch.Tensor,
    programs: int,
    where: tuple[Any, ...],
    height: int,
    aligned: bool,
    terms: Sequence[tuple[Any, Any]],
    law: str,
    stream: int,
    stochastic_seed: int | None,
) -> None:
    """Run the kernel; `where`: its arguments `origin` to `programs_per_row`."""
    code, size, device = LAWS.index(law), out.element_size(), out.device
    queue = cuda_memory.queue(device)
    table, argued = None, []
    with cuda_memory.on(device):
        if len(terms) > ARGUED:
            table = cuda_memory.terms_table(terms, device)
        else:
            for scale, seed in terms:
                argued += cuda_memory.scale_argument(scale, device)
                argued += cuda_memory.seed_argument(seed, device)
        argued += [0, None] * (2 * ARGUED - len(argued) // 2)
        kernel: Any = cuda_kernels.accumulate
        kernel[(programs,)](
            *where,
            stream,
            stochastic_seed or 0,
            len(terms),
            table,
            cuda_memory.counters(device, queue, height * LANES),
            *argued,
            TYPES[out.dtype],
            tl.float64 if size == 8 else tl.float32,
            code,
            0 if table is not None else len(terms),
            stochastic_seed is not None and size == 2,
            aligned,
            height,
            TUNING.bits if code == RADEMACHER else 1,
            num_warps=TUNING.warps,
            num_stages=1,
            enable_fp_fusion=False,  # bits: see `cuda_draw`
        )


def _check(out: torch.Tensor) -> None:
    if out.dim() != 1 or not out.is_contiguous():
        raise BadInput(f"noise needs a contiguous 1-D tensor, not one of shape {tuple(out.shape)}")
    if out.dtype not in TYPES:
        raise BadInput(f"noise needs a floating-point tensor of 16, 32 or 64 bits, not {out.dtype}")


def _height(size: int, law: str, terms: int, stochastic: bool) -> int:
    """Return the chunks of a tile, for elements of `size` bytes: fewer lanes, fewer registers."""
    busy = size == 2 and (terms > 1 or stochastic or law == "hadamard")
    lanes = (TUNING.busy_bytes if busy else TUNING.lane_bytes) // size
    return max(1, TUNING.warps * 32 * lanes // LANES)


def _program(law: int, height: int) -> tuple[int, int]:
    """Return the number of elements of a tile, and of programs that share it."""
    if law == RADEMACHER:
        return height * BITS_CHUNK, 32 // TUNING.bits
    return height * (BYTES_CHUNK if law == HADAMARD else CHUNK), 1
