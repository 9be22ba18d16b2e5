"""Memory in which perturbed copies of weights are made, layer after layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

# A kernel reads and writes 16 rows of a weight and of each copy side by side, rows of ROW bytes or
# of half as many. At equal places of a row these would be in the same few sets of the first cache.
ROW, LINE, APART = 1024, 64, 192  # bytes


class Room:
    """One reusable buffer per device, dtype and nesting depth of forward calls.

    A module with parameters may call other modules with parameters, and read its own afterwards.
    A buffer grows to the largest unit that was ever copied at its depth.
    """

    def __init__(self) -> None:
        self._buffers: dict[Any, torch.Tensor] = {}
        self._depth = 0

    def lasting(
        self, name: str, like: torch.Tensor, size: int, dtype: torch.dtype | None = None
    ) -> torch.Tensor:
        """Return the one flat tensor of a name, with the device and by default the type of `like`.

        Its memory is used again by the next step: to get other memory from the system takes
        longer than to fill it.
        """
        key = like.device, dtype or like.dtype, name
        return self._grown(key, size)[:size]

    @contextmanager
    def taken(
        self, like: Sequence[torch.Tensor], apart: bool = False
    ) -> Iterator[list[torch.Tensor]]:
        """Inside, the value is flat tensors with the lengths, devices and types of `like`.

        `apart`: at other places of a row than `like` and than each other.
        """
        self._depth += 1
        try:
            yield self._cut(like, apart)
        finally:
            self._depth -= 1

    def _cut(self, like: Sequence[torch.Tensor], apart: bool) -> list[torch.Tensor]:
        sizes: dict[Any, int] = {}
        starts = []
        for tensor in like:
            key = tensor.device, tensor.dtype, self._depth
            starts.append((key, sizes.get(key, 0)))
            spare = ROW // tensor.element_size() if apart else 0
            sizes[key] = starts[-1][1] + -(-tensor.numel() // 64) * 64 + spare  # views stay aligned
        for key, size in sizes.items():
            self._grown(key, size)
        flats = []
        for k, ((key, at), tensor) in enumerate(zip(starts, like)):
            buffer, size = self._buffers[key], tensor.element_size()
            if apart:
                place = buffer.data_ptr() + at * size
                at += (tensor.data_ptr() // LINE * LINE + (k + 1) * APART - place) % ROW // size
            flats.append(buffer[at : at + tensor.numel()])
        return flats

    def _grown(self, key: Any, size: int) -> torch.Tensor:
        """Return the buffer of a key (device, dtype, ...), which holds `size` elements or more."""
        buffer = self._buffers.get(key)
        if buffer is None or len(buffer) < size:
            self._buffers.pop(key, None)
            with torch.inference_mode(False):  # a later call may be outside of one
                buffer = torch.empty(size, device=key[0], dtype=key[1])
            self._buffers[key] = buffer
        return buffer
