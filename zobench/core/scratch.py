"""Params over a module whose weights no probe touches ("scratch").

Just before a layer runs, its perturbed weights w + s d are made in a buffer that all layers share,
and the layer reads them there. So a probe costs no restore, the weights never drift, and the extra
memory is that of the largest layer. Only updates write to the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from zobench.core.directions import Direction
from zobench.core.module import TensorBlock, TensorParams
from zobench.core.params import Group
from zobench.core.wrapping import Forward, wrapped
from zobench.errors import Unsuitable

Member = tuple[nn.Parameter, TensorBlock]


class ScratchParams(TensorParams):
    """The parameters of `module` that require a gradient; `layers` run one after the other.

    A layer is perturbed as a whole. Outside the layers each module perturbs the parameters that
    are its own, so a tied weight is perturbed wherever it is read, and moves once.
    """

    def __init__(
        self,
        module: nn.Module,
        layers: Sequence[nn.Module] = (),
        groups: Sequence[Group] = (),
        rounding: int | None = None,
    ) -> None:
        named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        super().__init__(named, groups, rounding)
        owned = {id(p): (p, block) for (_, p), block in zip(named, self.blocks)}
        inside = {id(part) for layer in layers for part in layer.modules()}
        self._units: dict[nn.Module, list[Member]] = {}
        for part in module.modules():
            whole = any(part is layer for layer in layers)
            if whole or id(part) not in inside:
                found = [owned[id(p)] for p in part.parameters(recurse=whole) if id(p) in owned]
                if found:
                    self._units[part] = found
        self._buffers = _buffers(self._units.values())

    @contextmanager
    def probed(self, scale: float, direction: Direction) -> Iterator[None]:
        self.flush()
        wrappers = []
        for part, members in self._units.items():
            moved = [m for m in members if any(True for _ in direction.expand(m[1]))]
            if moved and scale != 0.0:
                fill = self._filler(scale, direction)
                wrappers.append((part, _perturbing(moved, self._buffers, fill)))
        with wrapped(wrappers):
            yield

    def check(self, loss: Callable[[], Any]) -> None:
        """Raises Unsuitable if `loss()` reads a weight outside the forward of the module it is in.

        Such a weight would be read unperturbed, and silently. To find out, all weights are NaN for
        one evaluation, but where they are to be read.
        """
        every = [member for members in self._units.values() for member in members]
        true = {parameter: parameter.data for parameter, _ in every}

        def reading(members: list[Member]) -> Callable[[Forward], Forward]:
            return lambda forward: Perturbed(forward, members, lambda p, b: true[p], None)

        try:
            for parameter, data in true.items():
                parameter.data = torch.full((), float("nan")).to(data).expand(data.shape)
            readers = ((part, reading(members)) for part, members in self._units.items())
            with torch.no_grad(), wrapped(readers):
                value = float(loss())
        finally:
            for parameter, data in true.items():
                parameter.data = data
        if value != value:
            raise Unsuitable(
                "scratch: the loss reads weights outside the forward of the module that owns "
                "them, where they are not perturbed; use realisation = walk"
            )

    def _filler(self, scale: float, direction: Direction) -> Fill:
        def fill(out: torch.Tensor, block: TensorBlock, start: int) -> None:
            """out += scale * direction[start : start + len(out)]"""
            self.write(out, list(direction.expand(block)), scale, block, start)

        return fill


Fill = Callable[[torch.Tensor, TensorBlock, int], None]


class Perturbed:
    """A module's forward, run with other weights in the place of its own."""

    def __init__(
        self,
        forward: Forward,
        members: list[Member],
        weights: Callable[[nn.Parameter, TensorBlock], torch.Tensor],
        fill: Fill | None,
    ) -> None:
        self.forward, self.members, self.weights, self.fill = forward, members, weights, fill

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        former = []
        try:
            for parameter, block in self.members:
                former.append((parameter, parameter.data))
                parameter.data = self.weights(parameter, block)
            return self.forward(*args, **kwargs)
        finally:
            for parameter, data in former:
                parameter.data = data

    def rows(
        self, parameter: torch.Tensor, index: torch.Tensor, places: Sequence[int]
    ) -> torch.Tensor:
        for member, block in self.members:
            if member is not parameter:
                continue
            if self.fill is None:
                return self.weights(member, block)[index]
            out, width = parameter.data[index], parameter.shape[1]
            for row, place in zip(out, places):
                self.fill(row, block, place * width)
            return out
        return parameter[index]


def rows(
    module: nn.Module, parameter: torch.Tensor, index: torch.Tensor, places: Sequence[int]
) -> torch.Tensor:
    """Rows of a weight (rows, width) of `module`, as its forward would read them, and only these.

    `places` are the numbers in `index`, on the host.
    """
    forward = module.__dict__.get("forward")
    if isinstance(forward, Perturbed):
        return forward.rows(parameter, index, places)
    return parameter[index]


def _perturbing(
    members: list[Member], buffers: dict[Any, torch.Tensor], fill: Fill
) -> Callable[[Forward], Forward]:
    used: dict[Any, int] = {}
    views: dict[int, torch.Tensor] = {}
    for _, block in members:
        kind = _kind(block.data)
        start = used.get(kind, 0)
        views[block.index] = buffers[kind][start : start + block.size]
        used[kind] = start + block.size

    def weights(parameter: nn.Parameter, block: TensorBlock) -> torch.Tensor:
        view = views[block.index]
        view.copy_(block.data)
        fill(view, block, 0)
        return view.view(parameter.shape)

    return lambda forward: Perturbed(forward, members, weights, fill)


def _buffers(units: Any) -> dict[Any, torch.Tensor]:
    """One buffer a device and type, as large as the largest unit there."""
    sizes: dict[Any, int] = {}
    for members in units:
        own: dict[Any, int] = {}
        for _, block in members:
            own[_kind(block.data)] = own.get(_kind(block.data), 0) + block.size
        sizes.update({kind: max(size, sizes.get(kind, 0)) for kind, size in own.items()})
    return {kind: torch.empty(size, device=kind[0], dtype=kind[1]) for kind, size in sizes.items()}


def _kind(data: torch.Tensor) -> tuple[torch.device, torch.dtype]:
    return data.device, data.dtype
