"""Noise into torch tensors of the CPU, in place: kernels get the addresses of their elements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from zobench.core.noise import arrays, layout
from zobench.errors import BadInput

WHOLE = (torch.float32, torch.float64)  # types that kernels write in place
KINDS = {
    torch.float32: layout.FLOAT32,
    torch.float64: layout.FLOAT64,
    torch.bfloat16: layout.BFLOAT16,
    torch.float16: layout.FLOAT16,
}
COPIED = (layout.FLOAT32, layout.BFLOAT16)  # kinds that `cpu_copies` serves
STAGE = 32768  # elements of rows of a table that are float32 at a time: 128 KiB


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
    where = slab(out, block, start)
    if where[0] <= layout.FLOAT64:
        array = out.detach().numpy()
        arrays.accumulate(array, terms, law, block, stream, start, threads)
    else:
        arrays.share([where], terms, law, stream, threads, rounding)


def accumulate_blocks(
    members: Sequence[tuple[torch.Tensor, int]],
    terms: Sequence[tuple[float, int]],
    law: int,
    stream: int,
    threads: int,
    rounding: tuple[int, int] | None,
) -> None:
    """Add noise to each tensor of the pairs (out, block)."""
    if terms:
        slabs = [slab(out, block, 0) for out, block in members]
        arrays.share(slabs, terms, law, stream, threads, rounding)


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
    _kind(table)
    step = max(1, STAGE // table.shape[1])
    for a in range(0, len(table), step):
        piece, at = table[a : a + step], where[a : a + step]
        staged = piece.float()
        arrays.accumulate_rows(staged.numpy(), at, terms, law, block, stream)
        if rounding is None:
            piece.copy_(staged)
            continue
        uniforms = np.zeros(piece.shape, np.float32)
        arrays.accumulate_rows(
            uniforms, at, [(1.0, rounding[0])], layout.UNIFORM, block, rounding[1]
        )
        arrays.round_stochastic(
            _bits(piece.view(-1)), staged.view(-1).numpy(), uniforms.reshape(-1)
        )


def store(out: torch.Tensor, values: torch.Tensor, uniforms: torch.Tensor) -> None:
    """Set `out` to float32 values, rounded to 16 bits by uniforms; all flat and of one length."""
    slab(out, 0, 0)  # checked
    arrays.round_stochastic(_bits(out.detach()), values.numpy(), uniforms.numpy())


def slab(out: torch.Tensor, block: int, start: int) -> arrays.Slab:
    """Return where a tensor is, for kernels. Raises BadInput where none takes it."""
    if out.dim() != 1 or not out.is_contiguous():
        raise BadInput(f"noise needs a contiguous 1-D tensor, not one of shape {tuple(out.shape)}")
    return _kind(out), out.data_ptr(), out.numel(), block, start


def _bits(flat: torch.Tensor) -> np.ndarray:
    """Return the memory of a flat tensor of 16 bits, in the type that kernels take it by."""
    bits = flat.view(torch.int16).numpy()
    return bits if flat.dtype == torch.float16 else bits.view(np.uint16)


def _kind(tensor: torch.Tensor) -> int:
    """Return the kind of the elements. Raises BadInput for types that are not floating-point."""
    kind = KINDS.get(tensor.dtype)
    if kind is None:
        raise BadInput(
            f"noise needs a floating-point tensor of 16, 32 or 64 bits, not {tensor.dtype}"
        )
    return kind
