"""Find weights that share memory. Tied ones are one weight; other overlaps cannot move."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.lib.array_utils import byte_bounds

from zobench.errors import BadInput, Unsuitable

if TYPE_CHECKING:
    from torch import nn

    from zobench.engine.tensor_block import TensorBlock


def place(tensor: torch.Tensor) -> Hashable:
    """Return a key that is equal for tensors with the same elements in the same memory."""
    span = _span(tensor)
    if span is None:
        return id(tensor)
    # The stride of a dimension of one entry has no meaning.
    strides = tuple(s if n > 1 else 0 for n, s in zip(tensor.shape, tensor.stride()))
    return *span, tensor.dtype, tuple(tensor.shape), strides


Named = Iterable[tuple[str, torch.Tensor | np.ndarray]]


def overlapping(moving: Named, still: Named = ()) -> tuple[str, str] | None:
    """Return the names of two arrays that share memory, one of them moving; else None."""
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
    """Raise BadInput if two of the tensors share memory, which a probe would move twice."""
    names = overlapping(named)
    if names:
        one, other = names
        raise BadInput(
            f"{other} shares memory with {one}, which would move twice: give it memory of its own "
            f"({other}.data = {other}.data.clone()), or tie the two as one Parameter"
        )


def check_unmoved(module: nn.Module, owned: Mapping[Hashable, TensorBlock], name: str) -> None:
    """Check that no tensor that is not perturbed shares memory with one that moves.

    Args:
        module: the module whose weights move.
        owned: the blocks of those that do, by `place`.
        name: of the realisation, for the message.

    Raises:
        Unsuitable: two tensors share memory, and not both move.
    """
    parameters = module.named_parameters(remove_duplicate=False)
    still = [(path, p) for path, p in parameters if place(p) not in owned]
    moving = [(block.name, block.tensor) for block in owned.values()]
    names = overlapping(moving, [*still, *module.named_buffers()])
    if names:
        raise Unsuitable(
            f"{name}: {names[0]} and {names[1]} share memory, and not both would be perturbed; "
            "use realisation = walk"
        )


def check_read(
    module: nn.Module, named: Iterable[tuple[str, torch.Tensor]], read: set[Hashable], name: str
) -> None:
    """Check that a module of `module` reads each weight that moves.

    Args:
        module: the module whose weights move.
        named: pairs (name, parameter) of them.
        read: the weights that a module reads, by `place`.
        name: of the realisation, for the message.

    Raises:
        Unsuitable: a weight is not a parameter of `module`.
    """
    for path, tensor in named:
        if place(tensor) not in read:
            raise Unsuitable(
                f"{name}: {path} is not a parameter of {type(module).__name__}, whose forward "
                "could read a perturbed copy of it; use realisation = walk"
            )


def _span(array: torch.Tensor | np.ndarray) -> tuple[str, int, int] | None:
    """Return (device, address of the first byte, address after the last byte).

    None if the array has no memory: an empty one, one on the device meta, a wrapper of others.
    """
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
