"""A parameter tensor as a block of the point, however it lies in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch

from zobench.core.directions import Direction
from zobench.errors import BadInput


class TensorBlock:
    """A parameter tensor, changed in place outside autograd.

    Its coordinates are in the order of its indices, however it lies in memory: a direction is the
    same for a contiguous weight and for a channels_last one.
    """

    def __init__(self, index: int, name: str, tensor: torch.Tensor, start: int) -> None:
        if not tensor.is_floating_point():
            raise BadInput(f"{name} has dtype {tensor.dtype}; only floating-point tensors can move")
        if not _is_dense(tensor):
            raise BadInput(
                f"{name} has elements that share memory, or gaps between them (it was expanded or "
                "sliced): put a contiguous copy in its place, nn.Parameter(w.detach().contiguous())"
            )
        self.index: int = index
        self.name: str = name
        self.start: int = start
        self.shape: tuple[int, ...] = tuple(tensor.shape)
        self.size: int = tensor.numel()
        self.tensor: torch.Tensor = tensor.detach()
        # where moves go: a flat view, or the tensor itself where it has none
        self.out: torch.Tensor = self.tensor.view(-1) if tensor.is_contiguous() else self.tensor

    @property
    def data(self) -> torch.Tensor:
        """The coordinates, flat, to read. It is a copy if the tensor is not contiguous."""
        return self.tensor.reshape(-1)


class Observer(Protocol):
    """An object that is called before every move."""

    def added(self, scale: float | torch.Tensor, direction: Direction) -> None:
        """Note that x + scale * direction is coming."""
        ...

    def shrunk(self, factor: float, blocks: frozenset[int] | None) -> None:
        """Note that `blocks` (None: all) are about to be multiplied by the factor."""
        ...

    def updated(self, block: TensorBlock, delta: torch.Tensor) -> None:
        """Note that `delta`, flat, is about to be added to a block."""
        ...


@contextmanager
def flattened(out: torch.Tensor) -> Iterator[torch.Tensor]:
    """Inside, the value is `out`, flat, in the order of its indices. Writes to it reach `out`."""
    if out.is_contiguous():
        yield out.view(-1)
        return
    flat = out.reshape(-1)
    yield flat
    out.copy_(flat.view(out.shape))


def _is_dense(tensor: torch.Tensor) -> bool:
    """Return True if the elements do not overlap and have no gaps, in some order of the axes."""
    order = sorted(range(tensor.dim()), key=tensor.stride, reverse=True)
    return tensor.permute(order).is_contiguous()
