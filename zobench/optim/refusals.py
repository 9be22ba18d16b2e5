"""Refuse what an optimizer in one process cannot train: tensors, models, process groups."""

from __future__ import annotations

import warnings

import torch
from torch import distributed, nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from zobench.errors import BadInput

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
PLAIN = (torch.Tensor, nn.Parameter, nn.Buffer)
ADAPTERS = "such weights cannot move; add adapters (the package peft, LoRA) and train those"
SPREAD = "DistributedDataParallel", "FullyShardedDataParallel"


def movable(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor. Raises BadInput unless it is a plain one of floats with its own memory."""
    if is_lazy(tensor):
        raise BadInput(f"{name} has no shape yet: run the model on a batch first")
    if tensor.dtype not in DTYPES:
        dtype = str(tensor.dtype).removeprefix("torch.")
        raise BadInput(f"{name} is {dtype}, an integer, complex or quantised type: {ADAPTERS}")
    if tensor.is_meta:
        raise BadInput(f"{name} is on the device meta, where there are no values: load the model")
    if not _in_memory(tensor):
        raise BadInput(
            f"{name} holds its values in other tensors ({kind(tensor)}: quantised, sharded over "
            f"processes, or sparse): {ADAPTERS}"
        )
    if type(tensor) not in PLAIN:
        raise BadInput(
            f"{name} is a {type(tensor).__name__}, a tensor of a class of its own, which may be "
            "read as other numbers than it holds: put a plain one in its place, "
            "nn.Parameter(w.detach().as_subclass(torch.Tensor)), or train adapters (the package "
            "peft, LoRA)"
        )
    return tensor


def can_move(tensor: torch.Tensor) -> bool:
    """Return True if the tensor holds floats in its own memory."""
    return tensor.dtype in DTYPES and _in_memory(tensor)


def kind(tensor: torch.Tensor) -> str:
    """Return what is unusual about a tensor: its layout, dtype or class."""
    if tensor.layout is not torch.strided:
        return str(tensor.layout).removeprefix("torch.")
    plain = type(tensor) in PLAIN
    return str(tensor.dtype).removeprefix("torch.") if plain else type(tensor).__name__


def check_model(model: nn.Module, moving: set[int]) -> None:
    """Raise BadInput for a model that is spread over processes.

    Warns if the trained tensors are only those that a quantisation left as they were. `moving` are
    their ids.
    """
    for part in model.modules():
        kinds = type(part).__mro__
        if any(k.__name__ in SPREAD and k.__module__.startswith("torch.") for k in kinds):
            raise BadInput(
                f"the model is a {type(part).__name__}: zobench trains in one process; give the "
                "module inside, on the data of one process"
            )
    parameters = list(model.parameters())
    fixed = [p for p in parameters if id(p) not in moving]
    stuck = [p for p in fixed if not can_move(p)]
    if stuck and len(stuck) == len(fixed):  # the user has not chosen what is trained
        count = sum(p.numel() for p in parameters if id(p) in moving)
        warnings.warn(
            f"only {count:,} numbers of {type(model).__name__} are trained, those that are not "
            f"quantised: {len(stuck)} tensors stay as they are; {ADAPTERS}",
            UserWarning,
            stacklevel=4,
        )


def check_processes() -> None:
    """Raise BadInput in a group of several processes."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return
    count = distributed.get_world_size()
    if count > 1:
        raise BadInput(
            f"this is one of {count} processes (torch.distributed), each of which would train its "
            "own weights: zobench trains in one process, so start one (without torchrun)"
        )


def scripted(model: nn.Module) -> bool:
    """Return True if a part of the model is compiled by torch.jit."""
    return any(isinstance(part, torch.jit.ScriptModule) for part in model.modules())


def _in_memory(tensor: torch.Tensor) -> bool:
    """Return True if the tensor holds its values itself, and not in other tensors.

    Quantised, sharded and sparse tensors hold other tensors.
    """
    if is_traceable_wrapper_subclass(tensor):
        return False
    try:
        return tensor.numel() == 0 or tensor.data_ptr() != 0
    except (RuntimeError, ValueError):
        return False
