"""Groups of parameters of a module: one per decoder layer, or one per child module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from zobench.core.params import Group
from zobench.errors import BadInput

if TYPE_CHECKING:
    from torch import nn

ROLES = {"embeddings": "embeddings", "head": "head"}  # every other group is a layer


def groups(model: nn.Module) -> tuple[list[str], list[list[str]]]:
    """Return the names of the groups, and for each the names of its trainable parameters.

    Their order is "embeddings", "layer.0", "layer.1", ..., "head" (final norm, projections, an
    output embedding of its own). A tied output embedding counts once, with the embeddings. A group
    without trainable parameters is left out. Raises BadInput for a model without a list of layers.
    """
    prefix, count = _layers(model)
    names = ["embeddings", *(f"layer.{i}" for i in range(count)), "head"]
    members: dict[str, list[str]] = {name: [] for name in names}
    for name, parameter in model.named_parameters():  # a tied parameter comes once
        if parameter.requires_grad:
            members[_group(model, name, prefix)].append(name)
    groups = {name: inside for name, inside in members.items() if inside}
    return list(groups), list(groups.values())


def layers(model: nn.Module) -> list[nn.Module]:
    """Return the decoder layers in their order. Raises BadInput if there is no list of them."""
    prefix, count = _layers(model)
    return [model.get_submodule(f"{prefix}.{i}") for i in range(count)]


def any_layers(model: nn.Module) -> list[nn.Module]:
    """Return the decoder layers in the order in which they run; none where there is no list."""
    try:
        return layers(model)
    except BadInput:
        return []


def depths(model: nn.Module, names: Sequence[str]) -> list[int]:
    """Return for each parameter how many decoder layers run before it is read.

    It is 0 for embeddings, the number of layers for the head, and 0 throughout for a model without
    a list of layers.
    """
    try:
        prefix, count = _layers(model)
    except BadInput:
        return [0] * len(names)
    depth = {"embeddings": 0, "head": count} | {f"layer.{i}": i for i in range(count)}
    return [depth[_group(model, name, prefix)] for name in names]


def as_blocks(groups: Mapping[str, Sequence[str]], names: Sequence[str]) -> list[Group]:
    """Return groups of parameter names as groups of blocks, which are numbered as in `names`.

    Names that are not among them are left out, and so is a group of none.
    """
    index = {name: k for k, name in enumerate(names)}
    blocks = {g: frozenset(index[n] for n in inside if n in index) for g, inside in groups.items()}
    return [Group(g, inside, ROLES.get(g, "layer")) for g, inside in blocks.items() if inside]


def any_groups(model: nn.Module) -> dict[str, list[str]]:
    """Return groups of any model: its decoder layers if they make two or more, else its children.

    The value of each name is the names of the parameters.
    """
    try:
        by_layer = dict(zip(*groups(model)))
    except BadInput:
        by_layer = {}
    if len(by_layer) > 1:
        return by_layer
    return children([n for n, p in model.named_parameters() if p.requires_grad])


def children(names: Sequence[str]) -> dict[str, list[str]]:
    """Return dotted names by the shortest beginning that makes two or more groups."""
    paths = [name.split(".") for name in names]
    for depth in range(1, max(map(len, paths), default=0) + 1):
        groups: dict[str, list[str]] = {}
        for name, path in zip(names, paths):
            groups.setdefault(".".join(path[:depth]), []).append(name)
        if len(groups) > 1:
            return groups
    return {name: [name] for name in names}


def _layers(model: nn.Module) -> tuple[str, int]:
    """Return the path and length of the list of modules with most parameters: the layers."""
    from torch import nn
    from torch.nn.utils.parametrize import ParametrizationList  # of weight_norm: not layers

    every = [(name, m) for name, m in model.named_modules() if isinstance(m, nn.ModuleList)]
    lists = [(name, m) for name, m in every if not isinstance(m, ParametrizationList)]
    if not lists:
        raise BadInput(f"{type(model).__name__} has no list of layers to make groups of")
    sizes = [sum(p.numel() for p in module.parameters()) for _, module in lists]
    name, module = lists[sizes.index(max(sizes))]  # the outermost of equal ones comes first
    return name, len(module)


def _group(model: nn.Module, name: str, prefix: str) -> str:
    from torch import nn

    if name.startswith(prefix + "."):
        return "layer." + name[len(prefix) + 1 :].split(".", 1)[0]
    path = name.rpartition(".")[0]
    # Beside the tables, some decoders normalise or project the embeddings (OPT: project_in).
    before = "embed" in path or path.endswith("project_in")
    return "embeddings" if before or isinstance(model.get_submodule(path), nn.Embedding) else "head"
