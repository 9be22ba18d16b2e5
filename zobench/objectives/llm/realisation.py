"""How the weights of a language model move: params over them, and what probes have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zobench.core.params import Group
from zobench.engine.groups import ROLES, groups, layers

if TYPE_CHECKING:
    from torch import nn

    from zobench.engine.prefix import Prefix
    from zobench.engine.tensors import TensorParams


def realise(
    model: nn.Module, realisation: str = "walk", rounding: int | None = None
) -> tuple[TensorParams, Prefix]:
    """Params over the trainable weights, a group each layer, and the prefix that probes share.

    "walk": a probe moves the weights and moves them back. "scratch": it reads perturbed copies of
    the layers, made one at a time. `rounding`: a seed to round 16-bit writes stochastically.
    Raises BadInput for a model without a list of layers.
    """
    from zobench.engine.prefix import Prefix
    from zobench.engine.scratch import ScratchParams
    from zobench.engine.tensors import TensorParams

    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    place = {name: index for index, (name, _) in enumerate(named)}
    stack = layers(model)
    depth, members = [0] * len(named), []
    for name, inside in zip(*groups(model)):
        members.append(Group(name, frozenset(place[n] for n in inside), ROLES.get(name, "layer")))
        before = {"embeddings": 0, "head": len(stack)}.get(name)
        for n in inside:
            depth[place[n]] = int(name.removeprefix("layer.")) if before is None else before
    if realisation == "scratch":
        params = ScratchParams(model, stack, members, rounding)
    else:
        params = TensorParams(named, members, rounding)
    return params, Prefix(stack, depth)
