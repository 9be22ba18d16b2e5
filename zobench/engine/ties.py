"""Weights that share memory: tied ones are one weight; what overlaps otherwise cannot move."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np
import torch
from numpy.lib.array_utils import byte_bounds

from zobench.errors import BadInput


def place(tensor: torch.Tensor) -> Hashable:
    """Equal for tensors that are the same numbers in the same memory, else the tensor's own."""
    span = _span(tensor)
    if span is None:
        return id(tensor)
    # Along a dimension of one entry a stride says nothing.
    strides = tuple(s if n > 1 else 0 for n, s in zip(tensor.shape, tensor.stride()))
    return *span, tensor.dtype, tuple(tensor.shape), strides


Named = Iterable[tuple[str, torch.Tensor | np.ndarray]]


def overlapping(moving: Named, still: Named = ()) -> tuple[str, str] | None:
    """The names of two arrays that share memory, of which one at least is moving; else None."""
    spans = [
        (*span, name, moves)
        for named, moves in ((moving, True), (still, False))
        for name, array in named
        if (span := _span(array)) is not None
    ]
    spans.sort(key=lambda span: (span[0], span[1], -span[2]))
    furthest: dict[tuple[str, bool], tuple[int, str]] = {}  # which of each kind ends last
    for device, start, end, name, moves in spans:
        for kind in (True, False) if moves else (True,):
            until, before = furthest.get((device, kind), (0, ""))
            if start < until:
                return before, name
        furthest[device, moves] = max(furthest.get((device, moves), (0, "")), (end, name))
    return None


def check_apart(named: Named) -> None:
    """Raises BadInput where two of the tensors share memory: a probe would move it twice."""
    found = overlapping(named)
    if found:
        one, other = found
        raise BadInput(
            f"{other} shares memory with {one}, which would move twice: give it memory of its own "
            f"({other}.data = {other}.data.clone()), or tie the two as one Parameter"
        )


def _span(array: torch.Tensor | np.ndarray) -> tuple[str, int, int] | None:
    """(device, where its numbers begin, where they end); None for one without numbers of its own
    (empty, on the device meta, or a wrapper of others)."""
    if isinstance(array, np.ndarray):
        return ("cpu", *byte_bounds(array)) if array.size else None
    try:
        start = array.data_ptr() if array.numel() else 0
    except (RuntimeError, ValueError):  # ValueError: a lazy parameter
        start = 0
    if not start:
        return None
    steps = sum((n - 1) * stride for n, stride in zip(array.shape, array.stride()))
    return str(array.device), start, start + (1 + steps) * array.element_size()
