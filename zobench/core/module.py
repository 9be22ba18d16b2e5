"""Params over torch tensors, moved in place ("walk"): no copy of the weights, ever.

Moves along equal directions merge until somebody must see the point. So MeZO's walk
x + eps z, x - eps z, x, x - lr c z costs three draws of noise and two passes over the weights a
step (the restore and the update ride on the next step's first probe), with no code for it in any
estimator.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from zobench.core.directions import Direction, Noise, Primitive, add_terms
from zobench.core.noise import interface as noise
from zobench.core.params import CHUNK, Group, Params
from zobench.errors import BadInput


class TensorBlock:
    """A parameter tensor, changed in place outside autograd."""

    def __init__(self, index: int, name: str, tensor: torch.Tensor, start: int) -> None:
        if not tensor.is_floating_point():
            raise BadInput(f"{name} has dtype {tensor.dtype}; only floating-point tensors can move")
        if not tensor.is_contiguous():
            raise BadInput(f"{name} is not contiguous; call .contiguous() on it first")
        self.index, self.name, self.start = index, name, start
        self.shape, self.size = tuple(tensor.shape), tensor.numel()
        self.tensor = tensor.detach()
        self.data = self.tensor.view(-1)


class TensorParams(Params):
    """The given tensors as blocks; by default each block is a group of its own."""

    ops: Any = torch

    def __init__(
        self, named: Iterable[tuple[str, torch.Tensor]], groups: Sequence[Group] = ()
    ) -> None:
        blocks, start = [], 0
        for name, tensor in named:
            blocks.append(TensorBlock(len(blocks), name, tensor, start))
            start += tensor.numel()
        if not blocks:
            raise BadInput(
                "no tensor to move: the module has no parameter that requires a gradient"
            )
        self.blocks: Sequence[TensorBlock] = tuple(blocks)
        self.groups = tuple(groups) or tuple(Group(b.name, frozenset([b.index])) for b in blocks)
        self._pending: dict[Direction, float] = {}

    def add(self, scale: float, direction: Direction) -> None:
        """x <- x + scale * direction, written at the next flush."""
        self._pending[direction] = self._pending.get(direction, 0.0) + scale

    def flush(self) -> None:
        moves = [(s, d) for d, s in self._pending.items() if s != 0.0]
        self._pending.clear()
        for block in self.blocks if moves else ():
            merged: dict[Primitive, float] = {}
            for scale, direction in moves:
                for weight, primitive in direction.expand(block):
                    merged[primitive] = merged.get(primitive, 0.0) + scale * weight
            if merged:
                self._write(block, merged)

    def shrink(self, factor: float, blocks: frozenset[int] | None = None) -> None:
        self.flush()
        for block in self.blocks:
            if blocks is None or block.index in blocks:
                block.data.mul_(factor)

    def dense(self, direction: Direction, block: TensorBlock) -> torch.Tensor:
        """On the block's device, in float32 (float64 for float64 weights)."""
        out = np.zeros(block.size, _compute(block))
        add_terms(out, list(direction.expand(block)), block, 0, _threads())
        return torch.from_numpy(out).to(block.data.device)

    def update(self, block: TensorBlock, delta: torch.Tensor) -> None:
        block.data.add_(delta)

    def flat(self) -> np.ndarray:
        self.flush()
        return np.concatenate([b.data.cpu().double().numpy() for b in self.blocks])

    def _write(self, block: TensorBlock, merged: dict[Primitive, float]) -> None:
        """One pass over the block: noise of one law goes in directly, the rest by chunks."""
        laws = {p.law if isinstance(p, Noise) else None for p in merged}
        here = noise.serves(block.data.device.type)  # else the direction is made on the host
        if here and len(laws) == 1 and (law := laws.pop()) is not None:
            terms = [(w, p.seed) for p, w in merged.items() if isinstance(p, Noise)]
            noise.accumulate(block.data, terms, law, block.index, threads=_threads())
            return
        terms = [(w, p) for p, w in merged.items()]
        for start in range(0, block.size, CHUNK):
            part = np.zeros(min(CHUNK, block.size - start), _compute(block))
            add_terms(part, terms, block, start)
            block.data[start : start + len(part)].add_(torch.from_numpy(part).to(block.data.device))


def _compute(block: TensorBlock) -> type:
    return np.float64 if block.data.dtype == torch.float64 else np.float32


def _threads() -> int:
    return torch.get_num_threads()
