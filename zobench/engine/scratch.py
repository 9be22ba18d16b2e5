"""The realisation "scratch": probes do not touch the weights of a module.

Just before a layer runs, its perturbed weights w + s d are made in a buffer that all layers share,
and the layer reads them there. So a probe costs no restore, the weights never drift, and the extra
memory is that of the largest layer. Of an embedding, only the rows that are looked up are made.
Only updates write to the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, NamedTuple, SupportsFloat

import torch
from torch import nn

from zobench.core.directions import Direction, Noise, Probe, Term, terms_of
from zobench.core.fixed import key
from zobench.core.noise import interface as noise
from zobench.core.noise import tables
from zobench.engine import low_rank
from zobench.engine.hidden import as_written, check, nowhere
from zobench.engine.merging import one_law
from zobench.engine.perturbed import LookedUp, Perturbed
from zobench.engine.room import Room
from zobench.engine.tensor_block import TensorBlock
from zobench.engine.tensors import TensorParams
from zobench.engine.ties import check_read, check_unmoved, place
from zobench.engine.wrapping import ModuleForward, wrapped

CACHED = 1 << 16  # elements that are copied before their noise is added, on a CPU


class Moved(NamedTuple):
    """A parameter that a probe moves, its block, and the terms of the direction on it."""

    parameter: nn.Parameter
    block: TensorBlock
    terms: tuple[Term, ...]


class Scratch:
    """Let each module read perturbed copies of its weights. Probes do not touch the weights.

    A layer is perturbed as a whole. Outside the layers each module perturbs the parameters that
    are its own, so a tied weight is perturbed wherever it is read, and moves once.
    """

    name = "scratch"
    moves_weights = can_delay = is_testing = False

    def __init__(
        self,
        module: nn.Module,
        named: Sequence[tuple[str, torch.Tensor]],
        blocks: Sequence[TensorBlock],
        layers: Sequence[nn.Module] = (),
    ) -> None:
        """Find the modules that read the weights.

        Args:
            module: the module whose forward reads the weights.
            named: pairs (name, parameter) of the weights that move.
            blocks: their blocks, in the same order.
            layers: modules of `module` that run one by one.

        Raises:
            Unsuitable: a weight is not a parameter of `module`, or shares memory with another
                tensor of it without being tied to it.
        """
        owned = {place(p): block for (_, p), block in zip(named, blocks)}
        check_unmoved(module, owned, self.name)
        inside = {id(part) for layer in layers for part in layer.modules()}
        self._units: dict[nn.Module, list[tuple[nn.Parameter, TensorBlock]]] = {}
        for part in module.modules():
            is_layer = any(part is layer for layer in layers)
            if is_layer or id(part) not in inside:
                own = [p for p in part.parameters(recurse=is_layer) if place(p) in owned]
                if own:
                    self._units[part] = [(p, owned[place(p)]) for p in own]
        read = {place(p) for members in self._units.values() for p, _ in members}
        check_read(module, named, read, self.name)
        self._room = Room()
        self.making: Callable[[], AbstractContextManager[Any]] = nullcontext  # around each copy

    def together(
        self, params: TensorParams, probes: Sequence[Probe]
    ) -> AbstractContextManager[None]:
        """Do nothing: each probe makes copies of its own."""
        return nullcontext()

    @contextmanager
    def probed(self, params: TensorParams, scale: float, direction: Direction) -> Iterator[None]:
        """Inside, modules read copies. Where none does, a weight that moves is NaN.

        So a loss that reads it there is not that of other weights; `check` explains it. The NaN
        takes no memory.
        """
        params.flush()
        if scale == 0.0:
            yield
            return
        moved = self._moved(direction)
        with (
            as_written(),
            nowhere(m.parameter for members in moved.values() for m in members),
            wrapped(self._wrappers(params, scale, moved)),
        ):
            yield

    def check(self, params: TensorParams, loss: Callable[[], SupportsFloat]) -> None:
        """Raise Unsuitable if `loss()` reads a weight outside the forward of its own module.

        Such a weight would be read unperturbed.
        """
        params.flush()
        check({part: [p for p, _ in members] for part, members in self._units.items()}, loss)

    def restore(self, params: TensorParams) -> None:
        """Give the parameters the memory that moves are written to, wherever a probe broke off."""
        for parameter, block in (pair for members in self._units.values() for pair in members):
            if parameter.data_ptr() != block.tensor.data_ptr():
                parameter.data = block.tensor
        self._room = Room()

    def _moved(self, direction: Direction) -> dict[nn.Module, list[Moved]]:
        """Return the parameters that a probe moves, by the module that reads them."""
        expanded = {
            part: [Moved(p, b, tuple(terms_of(direction, b))) for p, b in members]
            for part, members in self._units.items()
        }
        moved = {part: [m for m in members if m.terms] for part, members in expanded.items()}
        return {part: members for part, members in moved.items() if members}

    def _wrappers(
        self, params: TensorParams, scale: float, units: dict[nn.Module, list[Moved]]
    ) -> Iterator[tuple[nn.Module, Callable[[ModuleForward], Perturbed]]]:
        for part, moved in units.items():
            kind = LookedUp if _by_rows(part, moved) else Perturbed
            perturbed: Callable[[ModuleForward], Perturbed] = partial(
                kind,
                parameters=[m.parameter for m in moved],
                weights=partial(self._copies, params, scale, moved),
                rows=partial(self._rows, params, scale, moved),
            )
            yield part, perturbed

    @contextmanager
    def _copies(
        self, params: TensorParams, scale: float, moved: Sequence[Moved]
    ) -> Iterator[Sequence[torch.Tensor]]:
        """Inside, the value is perturbed copies of the parameters, in their shapes."""
        data = [m.block.out for m in moved]
        with self._room.taken(data) as taken:
            # Copies lie in memory as their weights do.
            views = [
                view if d.dim() == 1 else view.as_strided(d.shape, d.stride())
                for view, d in zip(taken, data)
            ]
            with self.making():
                _fill(params, views, data, scale, moved)
            yield [view.view(m.parameter.shape) for view, m in zip(views, moved)]

    def _rows(
        self,
        params: TensorParams,
        scale: float,
        moved: Sequence[Moved],
        k: int,
        index: torch.Tensor,
        places: Sequence[int] | None,
    ) -> torch.Tensor:
        """Return rows of the perturbed parameter k, drawn alone, to the same bits."""
        with self.making():
            return _made_rows(params, scale, moved[k], index, places)


def _fill(
    params: TensorParams,
    views: Sequence[torch.Tensor],
    data: Sequence[torch.Tensor],
    scale: float,
    moved: Sequence[Moved],
) -> None:
    alike: dict[Any, list[int]] = {}
    at = 0
    for k, m in enumerate(moved):
        # On a GPU one launch for all; on a CPU copies get their noise while in the cache.
        piece = -1 if data[k].is_cuda else at // CACHED
        terms = tuple((weight, key(primitive)) for weight, primitive in m.terms)
        alike.setdefault((terms, piece), []).append(k)
        at += data[k].numel()
    for together in alike.values():
        outs = [views[k] for k in together]
        torch._foreach_copy_(outs, [data[k] for k in together])  # pyright: ignore
        scaled = [(scale * weight, p) for weight, p in moved[together[0]].terms]
        params.write_all(outs, [moved[k].block for k in together], scaled)


def _made_rows(
    params: TensorParams,
    scale: float,
    member: Moved,
    index: torch.Tensor,
    places: Sequence[int] | None,
) -> torch.Tensor:
    parameter, block, terms = member
    out = block.tensor.index_select(0, index)
    law = one_law(terms)
    if law is not None and tables.serves_rows(out.device.type):
        tables.accumulate_rows(
            out, index, [(scale * w, p.seed) for w, p in terms if type(p) is Noise], law,
            block.index, stochastic_seed=params.rounding_seed(),
        )  # fmt: skip
        return out
    if low_rank.only(terms) and noise.serves(out.device.type):
        low_rank.add_rows(out, index, terms, scale, block, params.rounding_seed())
        return out
    for row, number in zip(out, index.tolist() if places is None else places):
        params.write(row, terms, scale, block, number * parameter.shape[1])
    return out


def _by_rows(part: nn.Module, moved: Sequence[Moved]) -> bool:
    """Return True for an embedding whose rows can be drawn alone."""
    if not isinstance(part, nn.Embedding) or len(moved) > 1:
        return False
    ((parameter, block, terms),) = moved
    alone = one_law(terms) is not None or low_rank.only(terms)
    served = alone and tables.serves_rows(block.tensor.device.type)
    return served and parameter is part.weight and part.max_norm is None
