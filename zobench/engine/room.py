"""Memory in which perturbed copies of weights are made, layer after layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

# Kernels read and write rows of noise of ROW bytes or less side by side, of a weight and of its
# copies. At the same place of a row they would be in the same few lines of the first cache.
ROW, LINE, APART = 1024, 64, 192


class Room:
    """One reusable buffer per device, dtype and nesting depth of forward calls.

    A module with parameters may call other modules with parameters, and read its own afterwards.
    A buffer grows to the largest unit that was ever copied at its depth.
    """

    def __init__(self) -> None:
        self._buffers: dict[Any, torch.Tensor] = {}
        self._depth = 0

    @contextmanager
    def taken(self, like: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
        """Inside, the value is flat tensors with the lengths, devices and types of `like`."""
        self._depth += 1
        try:
            yield self._cut(like)
        finally:
            self._depth -= 1

    def _cut(self, like: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        sizes: dict[Any, int] = {}
        starts = []
        for tensor in like:
            key = tensor.device, tensor.dtype, self._depth
            starts.append((key, sizes.get(key, 0)))
            spare = ROW // tensor.element_size()
            sizes[key] = starts[-1][1] + -(-tensor.numel() // spare) * spare + spare
        for key, size in sizes.items():
            if key not in self._buffers or len(self._buffers[key]) < size:
                self._buffers.pop(key, None)
                with torch.inference_mode(False):  # a later call may be outside of one
                    self._buffers[key] = torch.empty(size, device=key[0], dtype=key[1])
        cuts = []
        for k, ((key, at), tensor) in enumerate(zip(starts, like)):
            buffer, size = self._buffers[key], tensor.element_size()
            here = buffer.data_ptr() + at * size
            apart = (tensor.data_ptr() // LINE * LINE + (k + 1) * APART - here) % ROW
            cuts.append(buffer.narrow(0, at + apart // size, tensor.numel()))
        return cuts
