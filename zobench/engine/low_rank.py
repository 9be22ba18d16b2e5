"""Add low-rank directions to tensors. The factors are small, and made on the tensor's device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from zobench.core.directions import LowRank, Term
from zobench.core.noise import interface as noise
from zobench.core.noise.stored import store, store_rows
from zobench.core.params import CHUNK
from zobench.engine.tensor_block import TensorBlock

WHOLE = (torch.float32, torch.float64)  # types that a product is added to without a temporary


def only(terms: Sequence[Term]) -> bool:
    """Return True if all terms are low-rank, and there is one."""
    return bool(terms) and all(type(primitive) is LowRank for _, primitive in terms)


def add(
    out: torch.Tensor,
    terms: Sequence[Term],
    scale: Any,
    block: TensorBlock,
    row: int,
    stochastic_seed: int | None = None,
    note: Callable[[int, torch.Tensor], AbstractContextManager[object]] = lambda *_: nullcontext(),
) -> None:
    """Add scale * the sum of low-rank terms to rows of a block: out += ...

    The factors are float32. Types of 16 bits are added to in float32, part by part, and rounded
    once for all terms. The host does not wait for a weight or a scale on the device.

    Args:
        out: the rows, shape (rows, n).
        terms: pairs (weight, LowRank).
        scale: a number, or a 0-d tensor.
        block: the block that the rows are part of.
        row: the index of the first of them in the block.
        stochastic_seed: to round types of 16 bits stochastically.
        note: note(first row, rows of out) returns the context of each write.
    """
    if out.dtype in WHOLE:
        factors = [
            (u[row : row + len(out)].to(out.dtype), v.to(out.dtype).T)
            for u, v in _factors(out, terms, scale, block)
        ]
        with note(0, out):
            for u, v in factors:
                out.addmm_(u, v)
        return
    u, v = _joined(out, terms, scale, block)
    for a, piece, values in _sums(out, u[row : row + len(out)], v):
        start = (row + a) * out.shape[1]
        with note(a, piece):
            store(piece.view(-1), values.view(-1), block.index, start, stochastic_seed)


def add_rows(
    out: torch.Tensor,
    places: torch.Tensor,
    terms: Sequence[Term],
    scale: Any,
    block: TensorBlock,
    stochastic_seed: int | None = None,
) -> None:
    """Do the same for the rows `places` (int64, shape (rows,), on the device) of the block."""
    if out.dtype in WHOLE:
        for u, v in _factors(out, terms, scale, block):
            out.addmm_(u.index_select(0, places).to(out.dtype), v.to(out.dtype).T)
        return
    u, v = _joined(out, terms, scale, block)
    for a, piece, values in _sums(out, u.index_select(0, places), v):
        store_rows(piece, values, places[a : a + len(piece)], block.index, stochastic_seed)


def _joined(
    out: torch.Tensor, terms: Sequence[Term], scale: Any, block: TensorBlock
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return U and V whose product is the sum of all terms."""
    us, vs = zip(*_factors(out, terms, scale, block))
    return (us[0], vs[0]) if len(us) == 1 else (torch.cat(us, 1), torch.cat(vs, 1))


def _factors(
    out: torch.Tensor, terms: Sequence[Term], scale: Any, block: TensorBlock
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield U, scaled, and V of each term: (rows of the block, rank) and (n, rank)."""
    for weight, p in terms:
        assert type(p) is LowRank  # as `only` has checked
        u, v = (torch.zeros(length * p.rank, device=out.device) for length in block.shape)
        noise.accumulate(u, ((1.0, p.seed),), "gaussian", block.index, noise.FACTOR_U)
        noise.accumulate(v, ((1.0, p.basis_seed),), "gaussian", block.index, noise.FACTOR_V)
        yield (u.view(-1, p.rank) * (scale * weight * p.rank**-0.5), v.view(-1, p.rank))


def _sums(
    out: torch.Tensor, u: torch.Tensor, v: torch.Tensor
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """Yield out + U Vᵀ in float32, part by part: the first row, rows of `out`, and their sums."""
    step = max(1, CHUNK // out.shape[1])
    for a in range(0, len(out), step):
        piece = out[a : a + step]
        yield a, piece, (u[a : a + step] @ v.T).add_(piece)
