"""Noise into torch tensors of the CPU: 32 and 64 bits in shared memory, 16 bits through a stage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from zobench.core.noise import arrays, cpu
from zobench.core.noise.layout import UNIFORM
from zobench.core.noise.rounding import round_stochastic
from zobench.core.noise.threads import in_slices
from zobench.errors import BadInput

WHOLE = (torch.float32, torch.float64)  # types that kernels write in place
STAGE = 32768  # elements: 128 KiB, and too few for torch to start threads of its own


def accumulate(
    out: torch.Tensor,
    terms: Sequence[tuple[float, int]],
    law: int,
    block: int,
    stream: int,
    start: int,
    threads: int,
    rounding: tuple[int, int] | None,
) -> None:
    """Add the sum of scale * z(seed) to `out`; `rounding`: (seed, stream) of that to 16 bits."""
    _check_flat(out)
    flat = out.detach()
    if flat.dtype in WHOLE:
        arrays.accumulate(flat.numpy(), terms, law, block, stream, start, threads)
        return
    half = _is_half(flat)

    def part(first: int, last: int) -> None:
        stage, draw = np.empty((2, min(STAGE, last - first)), np.float32)
        for a in range(first, last, STAGE):
            piece = flat[a : min(a + STAGE, last)]
            values = stage[: len(piece)]
            staged = torch.from_numpy(values)
            staged.copy_(piece)
            arrays.accumulate(values, terms, law, block, stream, start + a, threads=1)
            if rounding is None:
                piece.copy_(staged)
                continue
            seed, tag = rounding
            uniforms = draw[: len(piece)]
            uniforms.fill(0)
            cpu.accumulate(uniforms, 1.0, UNIFORM, seed, block, tag, start + a)
            round_stochastic(_bits(piece), values, uniforms, half)

    in_slices(part, len(flat), threads)


def accumulate_blocks(
    members: Sequence[tuple[torch.Tensor, int]],
    terms: Sequence[tuple[float, int]],
    law: int,
    stream: int,
    threads: int,
    rounding: tuple[int, int] | None,
) -> None:
    """Add noise to each tensor of the pairs (out, block)."""
    if not terms:
        return
    shared = []
    for out, block in members:
        if out.dtype in WHOLE:
            _check_flat(out)
            shared.append((out.dtype == torch.float64, out.data_ptr(), out.numel(), block, 0))
        else:
            accumulate(out, terms, law, block, stream, 0, threads, rounding)
    arrays.share(shared, terms, law, stream, threads)


def accumulate_rows(
    out: torch.Tensor,
    places: torch.Tensor,
    terms: Sequence[tuple[float, int]],
    law: int,
    block: int,
    stream: int,
    rounding: tuple[int, int] | None,
) -> None:
    """Add to out[r] what `accumulate` adds to row places[r] of a table as wide as `out`."""
    table, where = out.detach(), np.ascontiguousarray(places.numpy())
    if table.dtype in WHOLE:
        arrays.accumulate_rows(table.numpy(), where, terms, law, block, stream)
        return
    half, step = _is_half(table), max(1, STAGE // table.shape[1])
    for a in range(0, len(table), step):
        piece, at = table[a : a + step], where[a : a + step]
        staged = piece.float()
        arrays.accumulate_rows(staged.numpy(), at, terms, law, block, stream)
        if rounding is None:
            piece.copy_(staged)
            continue
        uniforms = np.zeros(piece.shape, np.float32)
        arrays.accumulate_rows(uniforms, at, [(1.0, rounding[0])], UNIFORM, block, rounding[1])
        round_stochastic(_bits(piece.view(-1)), staged.view(-1).numpy(), uniforms.reshape(-1), half)


def store(out: torch.Tensor, values: torch.Tensor, uniforms: torch.Tensor) -> None:
    """Set `out` to float32 values, rounded to 16 bits by uniforms; all flat and of one length."""
    _check_flat(out)
    round_stochastic(_bits(out.detach()), values.numpy(), uniforms.numpy(), _is_half(out))


def _bits(flat: torch.Tensor) -> np.ndarray:
    """Return the memory of a flat tensor of 16 bits."""
    return flat.view(torch.int16).numpy().view(np.uint16)


def _check_flat(out: torch.Tensor) -> None:
    if out.dim() != 1 or not out.is_contiguous():
        raise BadInput(f"noise needs a contiguous 1-D tensor, not one of shape {tuple(out.shape)}")


def _is_half(tensor: torch.Tensor) -> bool:
    """Return True for float16, False for bfloat16. Raises BadInput for other types."""
    if tensor.dtype not in (torch.float16, torch.bfloat16):
        raise BadInput(
            f"noise needs a floating-point tensor of 16, 32 or 64 bits, not {tensor.dtype}"
        )
    return tensor.dtype == torch.float16
