"""Low-rank directions into tensors where they are: the factors are made there, and are small."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from zobench.core.directions import LowRank, Term
from zobench.core.noise import interface as noise
from zobench.core.params import CHUNK

if TYPE_CHECKING:
    from zobench.core.module import TensorBlock

WHOLE = (torch.float32, torch.float64)  # types that a product is added to without a temporary


def only(terms: Sequence[Term]) -> bool:
    """Are all terms low-rank?"""
    return bool(terms) and all(isinstance(primitive, LowRank) for _, primitive in terms)


def add(out: torch.Tensor, terms: Sequence[Term], scale: Any, block: TensorBlock, row: int) -> None:
    """out += scale * sum of low-rank terms, for rows of the block from `row` on; shape (rows, n).

    The factors are float32. Types of 16 bits are added to in float32, part by part, and rounded
    once. A weight or a scale that lies on the device is not waited for.
    """
    for u, v in _factors(out, terms, scale, block):
        _add(out, u[row : row + len(out)], v)


def add_rows(
    out: torch.Tensor, places: torch.Tensor, terms: Sequence[Term], scale: Any, block: TensorBlock
) -> None:
    """`add` for the rows `places` (int64, shape (rows,), on the device) of the block."""
    for u, v in _factors(out, terms, scale, block):
        _add(out, u.index_select(0, places), v)


def _factors(
    out: torch.Tensor, terms: Sequence[Term], scale: Any, block: TensorBlock
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """U, scaled, and V of each term: (rows of the block, rank) and (n, rank)."""
    for weight, p in terms:
        assert isinstance(p, LowRank)  # `only` said so
        u, v = (torch.zeros(length * p.rank, device=out.device) for length in block.shape)
        noise.accumulate(u, ((1.0, p.seed),), "gaussian", block.index, noise.FACTOR_U)
        noise.accumulate(v, ((1.0, p.basis_seed),), "gaussian", block.index, noise.FACTOR_V)
        yield (u.view(-1, p.rank) * (scale * weight * p.rank**-0.5), v.view(-1, p.rank))


def _add(out: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> None:
    if out.dtype in WHOLE:
        out.addmm_(u.to(out.dtype), v.to(out.dtype).T)
        return
    step = max(1, CHUNK // out.shape[1])
    for a in range(0, len(out), step):
        out[a : a + step].add_(u[a : a + step] @ v.T)
