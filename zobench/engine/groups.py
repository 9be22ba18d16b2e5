"""Groups of a module: decoder layers where it has a list of them, else its child modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from zobench.core.params import Group
from zobench.errors import BadInput

if TYPE_CHECKING:
    from torch import nn

ROLES = {"embeddings": "embeddings", "head": "head"}  # every other group is a layer


def groups(model: nn.Module) -> tuple[list[str], list[list[str]]]:
    """Names of the groups, and for each the names of its trainable parameters.

    Order: "embeddings", "layer.0", "layer.1", ..., "head" (final norm, projections, an output
    embedding of its own). A tied output embedding counts once, with the embeddings. A group
    without trainable parameters is left out. Raises BadInput for a model without a list of layers.
    """
    prefix, count = _layers(model)
    names = ["embeddings", *(f"layer.{i}" for i in range(count)), "head"]
    members: dict[str, list[str]] = {name: [] for name in names}
    for name, parameter in model.named_parameters():  # a tied parameter comes once
        if parameter.requires_grad:
            members[_group(model, name, prefix)].append(name)
    held = {name: inside for name, inside in members.items() if inside}
    return list(held), list(held.values())


def layers(model: nn.Module) -> list[nn.Module]:
    """The decoder layers, in the order in which they run. Raises BadInput where there are none."""
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
    """`groups` of a model with a list of layers that makes at least two, else its children's."""
    try:
        found = dict(zip(*groups(model)))
    except BadInput:
        found = {}
    if len(found) > 1:
        return found
    return children([n for n, p in model.named_parameters() if p.requires_grad])


def children(names: Sequence[str]) -> dict[str, list[str]]:
    """Dotted names by the shortest beginning that tells at least two groups apart."""
    paths = [name.split(".") for name in names]
    for depth in range(1, max(map(len, paths), default=0) + 1):
        found: dict[str, list[str]] = {}
        for name, path in zip(names, paths):
            found.setdefault(".".join(path[:depth]), []).append(name)
        if len(found) > 1:
            return found
    return {name: [name] for name in names}


def _layers(model: nn.Module) -> tuple[str, int]:
    """Path and length of the decoder layers: the list of modules with most parameters."""
    from torch import nn
    from torch.nn.utils.parametrize import ParametrizationList  # what weight_norm makes: no layers

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
