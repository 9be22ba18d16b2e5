"""Read the arguments of an optimizer as named tensors, and groups of them."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn

from zobench.core.params import Group
from zobench.engine.groups import any_groups, as_blocks, children
from zobench.engine.tensor_block import TensorBlock
from zobench.engine.ties import check_apart, place
from zobench.errors import BadInput, unknown
from zobench.optim.refusals import ADAPTERS, can_move, check_model, kind, movable


@dataclass
class TrainedTensors:
    """Named tensors in the order of their blocks, and torch's parameter groups over them."""

    model: nn.Module | None
    named: list[tuple[str, torch.Tensor]]
    param_groups: list[dict[str, Any]]  # as torch.optim takes them, params as (name, tensor)
    members: list[frozenset[int]]  # the blocks of each parameter group
    frozen: list[tuple[str, torch.Tensor]]  # those that were left out

    @property
    def tensors(self) -> list[torch.Tensor]:
        """The tensors that move."""
        return [tensor for _, tensor in self.named]

    @property
    def weights(self) -> list[torch.Tensor]:
        """The tensors that a loss is computed from: moving ones, and parameters of the model."""
        return self.tensors + ([] if self.model is None else list(self.model.parameters()))

    @cached_property
    def devices(self) -> list[torch.device]:
        """The devices on which the model computes."""
        return sorted({t.device for t in self.weights}, key=str)

    def groups(self, given: Mapping[str, Sequence[str]] | None) -> list[Group]:
        """Return the groups of a block-coordinate method. Raises BadInput if `given` do not fit."""
        names = [name for name, _ in self.named]
        if given is not None:
            if not isinstance(given, Mapping):
                raise BadInput(f"groups are names, each with its parameters' names, not {given!r}")
            _check_groups(given, names)
            by_name = dict(given)
        else:
            by_name = children(names) if self.model is None else any_groups(self.model)
        return as_blocks(by_name, names)

    def __post_init__(self) -> None:
        """Find where the model holds modules and trained parameters: (dict, key, value, path)."""
        moving = {place(t): (name, t) for name, t in self.named}
        modules = (
            [] if self.model is None else list(self.model.named_modules(remove_duplicate=False))
        )
        self._places: list[tuple[dict[str, Any], str, Any, str]] = [
            (where, key, value, f"{path}.{key}" if path else key)
            for path, module in modules
            if not isinstance(module, torch.jit.ScriptModule)  # compiled as it is
            for where in (module._modules, module._parameters)
            for key, value in where.items()
            if isinstance(value, nn.Module) or (value is not None and place(value) in moving)
        ]
        # Tensors that are tied to one that moves by their memory alone: (path, it, name, tensor)
        self._tied = [
            (path, value, *moving[place(value)])
            for _, _, value, path in self._places
            if isinstance(value, torch.Tensor) and value is not moving[place(value)][1]
        ]

    def check(self, blocks: Sequence[TensorBlock], waiting: bool) -> None:
        """Follow tensors whose `.data` was replaced by a tensor of the same kind.

        Raises BadInput for one that is no longer in the model, that is of another kind, or whose
        data was replaced while a move waits.
        """
        for where, key, value, path in self._places:
            if where.get(key) is not value:
                raise BadInput(f"{path} was replaced: make the optimizer on the model as it is")
        moved = False
        for (name, tensor), block in zip(self.named, blocks):
            if tensor.data_ptr() != block.tensor.data_ptr():
                moved = True
                now, was = ((t.shape, t.dtype, t.device) for t in (tensor, block.tensor))
                if waiting or now != was:
                    raise BadInput(
                        f"{name} was moved or replaced: make the optimizer after model.to()"
                    )
                block.__init__(block.index, block.name, movable(name, tensor), block.start)
            if isinstance(tensor, nn.Parameter) and not tensor.requires_grad:
                raise BadInput(f"{name} was frozen since: make a new optimizer")
        for path, tied, name, tensor in self._tied:
            if place(tied) != place(tensor):
                raise BadInput(f"{path} and {name} are no longer tied: make a new optimizer")
        if moved:
            check_apart((block.name, block.tensor) for block in blocks)

    @cached_property
    def _group_ids(self) -> list[set[int]]:
        return [{id(self.named[index][1]) for index in inside} for inside in self.members]

    def check_groups(self, groups: Sequence[Mapping[str, Any]]) -> None:
        """Raise BadInput unless the groups hold the tensors with which the optimizer was made.

        Warns of a tensor that was frozen then and is not now: it does not move.
        """
        if [{id(tensor) for tensor in group["params"]} for group in groups] != self._group_ids:
            raise BadInput(
                "a parameter group was added, removed or given other params: they are fixed, so "
                "make a new ZerothOrder"
            )
        freed = [name for name, tensor in self.frozen if tensor.requires_grad]
        if freed:
            self.frozen = []  # one warning
            warnings.warn(
                f"{freed[0]} was frozen when the optimizer was made, and does not move: make a new "
                "ZerothOrder to train it",
                UserWarning,
                stacklevel=4,
            )


def trained_tensors(params: Any, model: nn.Module | None = None) -> TrainedTensors:
    """Read a module, tensors, (name, tensor) pairs, or dicts of these with their own settings.

    Frozen parameters are left out; a tensor that comes twice in a list counts once, and so do tied
    ones, also those that are tied by their memory (`.data`). Blocks are numbered in the model's
    order where there is a model, so that parameter groups change no noise. Raises BadInput when
    nothing is left, or when something is not a tensor that can move, or overlaps with another.
    """
    if isinstance(params, nn.Module):
        model, params = params, params.named_parameters()
    names: dict[Hashable, str] = {}
    for name, tensor in model.named_parameters() if model is not None else ():
        names.setdefault(place(tensor), name)
    items: list[Any] = _listed(params)
    by_group = bool(items) and isinstance(items[0], dict)
    dicts: list[dict[str, Any]] = [dict(g) for g in items] if by_group else [{"params": items}]
    count, in_all = 0, 0
    frozen: list[tuple[str, torch.Tensor]] = []
    for group in dicts:
        if "params" not in group:
            raise BadInput("a parameter group needs the entry 'params'")
        distinct: dict[Hashable, tuple[str, torch.Tensor]] = {}
        for item in _listed(group["params"]):
            name, tensor = item if isinstance(item, tuple) else (None, item)
            if not isinstance(tensor, torch.Tensor):
                raise BadInput(f"params are tensors or (name, tensor), not {type(tensor).__name__}")
            in_all += 1
            name = name or names.get(place(tensor)) or f"param{count}"
            if isinstance(tensor, nn.Parameter) and not tensor.requires_grad:
                frozen.append((name, tensor))
                continue
            count += 1
            distinct.setdefault(place(tensor), (name, movable(name, tensor)))
        group["params"] = list(distinct.values())
        if not distinct:
            group["param_names"] = []  # torch takes names in all groups or in none
    flat: list[tuple[str, torch.Tensor]] = [pair for group in dicts for pair in group["params"]]
    if not flat:
        raise _nothing(model, in_all)
    if model is not None:
        check_model(model, {id(tensor) for _, tensor in flat})
        order = {key: index for index, key in enumerate(names)}
        flat.sort(key=lambda pair: order.get(place(pair[1]), len(order)))
    if len({name for name, _ in flat}) < len(flat):
        raise BadInput("two tensors have the same name, or one is in two parameter groups")
    index = {id(tensor): k for k, (_, tensor) in enumerate(flat)}
    members = [frozenset(index[id(t)] for _, t in group["params"]) for group in dicts]
    return TrainedTensors(model, flat, dicts, members, frozen)


def _listed(params: Any) -> list[Any]:
    if isinstance(params, nn.Module):
        return list(params.named_parameters())
    if not isinstance(params, Iterable):
        kind = type(params).__name__
        raise BadInput(f"params are a module, tensors or dicts with 'params', not {kind}")
    return [params] if isinstance(params, torch.Tensor) else list(params)


def _nothing(model: nn.Module | None, in_all: int) -> BadInput:
    what = type(model).__name__ if model is not None else "the list of params"
    if not in_all:
        return BadInput(f"{what} has no parameter to train")
    odd = [p for p in model.parameters() if not can_move(p)] if model is not None else []
    if odd:
        return BadInput(f"{what} is quantised ({kind(odd[0])}) and frozen: {ADAPTERS}")
    return BadInput(f"all parameters of {what} are frozen: set requires_grad of those to train")


def _check_groups(given: Mapping[str, Sequence[str]], names: Sequence[str]) -> None:
    group_of: dict[str, str] = {}
    for group, inside in given.items():
        if isinstance(inside, str):
            raise BadInput(f"groups: {group!r} takes a list of parameter names, not one word")
        for name in inside:
            if name not in names:
                raise BadInput(f"groups: {group!r}: {unknown('trainable parameter', name, names)}")
            if name in group_of:
                raise BadInput(f"groups: {name!r} is in {group_of[name]!r} and in {group!r}")
            group_of[name] = group
    others = [name for name in names if name not in group_of]
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        raise BadInput(f"groups leave out {', '.join(others[:3])}{more}; they would never move")
