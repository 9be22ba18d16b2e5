"""Noise on a GPU, what the kernel reads there besides its output: scales, seeds and tables.

Tables are copied from pinned memory on the stream of the launch that needs them, so nothing waits.
Cached tables belong to one stream, as there is no order between streams.
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

Argument = tuple[int, torch.Tensor | None]  # 64 bits, or a tensor on the device that has them


def scale_argument(scale: Any, device: torch.device) -> Argument:
    """Return the bits of a scale as a float64, or a floating-point tensor of the device."""
    if not isinstance(scale, torch.Tensor):
        return _bits(float(scale)), None
    if scale.numel() != 1 or not scale.is_floating_point():
        raise _refused("scale", "floating-point", scale)
    return (0, scale) if _there(scale, device) else (_bits(scale.item()), None)


def seed_argument(seed: Any, device: torch.device) -> Argument:
    """Return a seed, or an int64 tensor of the device."""
    if not isinstance(seed, torch.Tensor):
        return int(seed), None
    if seed.numel() != 1 or seed.dtype != torch.int64:
        raise _refused("seed", "int64", seed)
    return (0, seed) if _there(seed, device) else (int(seed.item()), None)


def terms_table(terms: Sequence[tuple[Any, Any]], device: torch.device) -> torch.Tensor:
    """Return int64, shape (2 terms,): the bits of the scales as float64, then the seeds."""
    arguments = [scale_argument(scale, device) for scale, _ in terms]
    arguments += [seed_argument(seed, device) for _, seed in terms]
    table = _upload(np.array([bits for bits, _ in arguments], np.int64), device)
    scales = table.view(torch.float64)
    for k, (_, at) in enumerate(arguments):
        if at is not None:
            half = scales if k < len(terms) else table
            half[k].copy_(at.detach().reshape(()))
    return table


@functools.lru_cache(maxsize=64)
def tensors_table(
    device: torch.device, queue: int, spans: tuple[tuple[int, int, int], ...], span: int, parts: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `rows` and `row_of` of the kernel for (address, elements, block) of each tensor.

    `span`: elements of a tile; `parts`: programs per tile. A table depends on the arguments alone,
    so that it stays right if other tensors get the addresses. Types and shapes: int64 (tensors, 4)
    and int32 (programs,).
    """
    programs = np.array([-(-elements // span) * parts for _, elements, _ in spans])
    first = np.cumsum(programs) - programs
    rows = np.array([(*row, at) for row, at in zip(spans, first)], np.int64)
    row_of = np.repeat(np.arange(len(spans), dtype=np.int32), programs)
    with on(device):
        return _upload(rows, device), _upload(row_of, device)


@functools.lru_cache(maxsize=64)
def counters(device: torch.device, queue: int, count: int) -> torch.Tensor:
    """Return 0, 1, ..., int32, which `cuda_kernels` loads and does not compute."""
    return torch.arange(count, dtype=torch.int32, device=device)


def queue(device: torch.device) -> int:
    """Return the current CUDA stream as a number, 0 for other devices."""
    return torch.cuda.current_stream(device).cuda_stream if device.type == "cuda" else 0


def on(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Return a context in which a device is the current one."""
    if device.type != "cuda" or device.index == torch.cuda.current_device():
        return contextlib.nullcontext()
    return torch.cuda.device(device)


def _upload(values: np.ndarray, device: torch.device) -> torch.Tensor:
    host = torch.from_numpy(values)
    return host.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else host


def _bits(scale: float) -> int:
    return struct.unpack("q", struct.pack("d", scale))[0]


def _there(value: torch.Tensor, device: torch.device) -> bool:
    """Return True for a tensor on the device, False on the host. Raises BadInput for others."""
    if value.device == device:
        return True
    if value.device.type == "cpu":
        return False
    raise BadInput(f"noise on {device}: a scale or seed is on {value.device}")


def _refused(name: str, kind: str, value: torch.Tensor) -> BadInput:
    shape = tuple(value.shape)
    return BadInput(f"noise: a {name} is one {kind} number, not {value.dtype} of shape {shape}")
