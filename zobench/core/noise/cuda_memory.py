"""Noise on a GPU, what the kernel reads there besides its output: scales, seeds and tables.

Tables are copied from pinned memory on the stream of the launch that needs them, so nothing waits.
Those that are kept are apart by stream, for lack of order between streams.
"""

from __future__ import annotations

import contextlib
import functools
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from zobench.errors import BadInput

Argument = tuple[int, torch.Tensor | None]  # 64 bits, or else where on the device to read


def scale_argument(scale: Any, device: torch.device) -> Argument:
    """The bits of the scale as a float64, or a floating-point tensor of the device."""
    if not isinstance(scale, torch.Tensor):
        return _bits(float(scale)), None
    if scale.numel() != 1 or not scale.is_floating_point():
        raise _refused("scale", "floating-point", scale)
    return (0, scale) if _there(scale, device) else (_bits(scale.item()), None)


def seed_argument(seed: Any, device: torch.device) -> Argument:
    """The seed, or an int64 tensor of the device."""
    if not isinstance(seed, torch.Tensor):
        return int(seed), None
    if seed.numel() != 1 or seed.dtype != torch.int64:
        raise _refused("seed", "int64", seed)
    return (0, seed) if _there(seed, device) else (int(seed.item()), None)


def terms_table(terms: Sequence[tuple[Any, Any]], device: torch.device) -> torch.Tensor:
    """int64, shape (2 terms,): the bits of the scales as float64, then the seeds."""
    arguments = [scale_argument(scale, device) for scale, _ in terms]
    arguments += [seed_argument(seed, device) for _, seed in terms]
    table = _upload(np.array([bits for bits, _ in arguments], np.int64), device)
    scales = table.view(torch.float64)
    for k, (_, at) in enumerate(arguments):
        if at is not None:
            place = scales if k < len(terms) else table
            place[k].copy_(at.detach().reshape(()))
    return table


@functools.lru_cache(maxsize=64)
def tensors_table(
    device: torch.device, queue: int, spans: tuple[tuple[int, int, int], ...], span: int, parts: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """`rows` and `row_of` of the kernel for (address, elements, block) of each tensor.

    `span`: elements of a tile; `parts`: programs a tile. A table depends on the arguments alone, so
    it is right also once other tensors have the addresses. int64 (tensors, 4), int32 (programs,).
    """
    programs = np.array([-(-elements // span) * parts for _, elements, _ in spans])
    first = np.cumsum(programs) - programs
    rows = np.array([(*row, at) for row, at in zip(spans, first)], np.int64)
    row_of = np.repeat(np.arange(len(spans), dtype=np.int32), programs)
    with on(device):
        return _upload(rows, device), _upload(row_of, device)


@functools.lru_cache(maxsize=64)
def counters(device: torch.device, queue: int, count: int) -> torch.Tensor:
    """0, 1, ..., int32: what `cuda_kernels` loads in place of computing it."""
    return torch.arange(count, dtype=torch.int32, device=device)


def queue(device: torch.device) -> int:
    """The current CUDA stream, as caches know it."""
    return torch.cuda.current_stream(device).cuda_stream if device.type == "cuda" else 0


def on(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Make `device` the current one where it is not."""
    if device.type != "cuda" or device.index == torch.cuda.current_device():
        return contextlib.nullcontext()
    return torch.cuda.device(device)


def _upload(values: np.ndarray, device: torch.device) -> torch.Tensor:
    host = torch.from_numpy(values)
    return host.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else host


def _bits(scale: float) -> int:
    return struct.unpack("q", struct.pack("d", scale))[0]


def _there(value: torch.Tensor, device: torch.device) -> bool:
    """Is it on the device? Else it must be on the host."""
    if value.device == device:
        return True
    if value.device.type == "cpu":
        return False
    raise BadInput(f"noise on {device}: a scale or seed is on {value.device}")


def _refused(name: str, kind: str, value: torch.Tensor) -> BadInput:
    shape = tuple(value.shape)
    return BadInput(f"noise: a {name} is one {kind} number, not {value.dtype} of shape {shape}")
