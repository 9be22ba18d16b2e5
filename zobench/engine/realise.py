"""Params over the weights of a module, which probes reach by one of the realisations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import nn

from zobench.core.params import Group
from zobench.engine.groups import any_groups, any_layers, as_blocks
from zobench.engine.paired import Paired
from zobench.engine.scratch import Scratch
from zobench.engine.tensors import TensorParams
from zobench.errors import unknown

REALISATIONS = ("walk", "scratch", "paired")
T = TypeVar("T", bound=TensorParams)


def realise(
    model: nn.Module,
    realisation: str = "walk",
    *,
    named: Sequence[tuple[str, torch.Tensor]] | None = None,
    groups: Sequence[Group] | None = None,
    rounding: int | None = None,
    make: Callable[..., T] = TensorParams,
) -> T:
    """Return params over the weights of a model.

    Args:
        model: the module whose forward reads the weights.
        realisation: "walk": a probe moves the weights and moves them back. "scratch": each layer
            reads a perturbed copy of its weights, made just before it runs. "paired": the same, for
            all probes of a call in one forward pass, which reads each weight once.
        named: pairs (name, parameter) of the weights that move; by default all that require a
            gradient.
        groups: groups of blocks; by default one per decoder layer where the model has a list of
            layers, else one per child module.
        rounding: a seed to round writes of 16-bit weights stochastically; by default to nearest.
        make: `TensorParams`, or a subclass of it.

    Returns:
        The params, which an `InPlaceProblem` returns from `start`.

    Raises:
        BadInput: the realisation does not exist, or a tensor cannot move.
        Unsuitable: "scratch" or "paired" cannot perturb one of the weights.

    Example:
        >>> import torch
        >>> net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
        >>> params = zobench.realise(net, "scratch")
        >>> params.size, [group.name for group in params.groups]
        (11, ['0', '1'])
    """
    if realisation not in REALISATIONS:
        raise unknown("realisation", realisation, REALISATIONS)
    if named is None:
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    if groups is None:
        groups = as_blocks(any_groups(model), [name for name, _ in named])
    params = make(named, groups, rounding)
    if realisation != "walk":
        kind = Scratch if realisation == "scratch" else Paired
        params.realisation = kind(model, named, params.blocks, any_layers(model))
    return params
