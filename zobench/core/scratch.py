"""Params over a module whose weights no probe touches ("scratch").

Just before a layer runs, its perturbed weights w + s d are made in a buffer that all layers share,
and the layer reads them there. So a probe costs no restore, the weights never drift, and the extra
memory is that of the largest layer. Of an embedding, only the rows that are looked up are made.
Only updates write to the weights.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from zobench.core import low_rank
from zobench.core.directions import Direction, Noise, Term
from zobench.core.module import TensorBlock, TensorParams, one_law
from zobench.core.noise import interface as noise
from zobench.core.noise import tables
from zobench.core.params import Group
from zobench.core.perturbed import LookedUp, Perturbed
from zobench.core.room import Room
from zobench.core.wrapping import Forward, Wrapper, wrapped
from zobench.errors import Unsuitable

NAN = float("nan")
CACHED = 1 << 16  # elements that are copied before their noise is added, on a CPU


class Moved(NamedTuple):
    """A parameter that a probe moves: its block, and the terms of the direction on it."""

    parameter: nn.Parameter
    block: TensorBlock
    terms: tuple[Term, ...]


class ScratchParams(TensorParams):
    """Parameters of `module`, by default all that require a gradient; `layers` run one by one.

    A layer is perturbed as a whole. Outside the layers each module perturbs the parameters that
    are its own, so a tied weight is perturbed wherever it is read, and moves once.
    """

    def __init__(
        self,
        module: nn.Module,
        layers: Sequence[nn.Module] = (),
        groups: Sequence[Group] = (),
        rounding: int | None = None,
        named: Iterable[tuple[str, torch.Tensor]] = (),
    ) -> None:
        """`named`: the parameters that move. Raises Unsuitable for one that is not the module's."""
        chosen = list(named) or [(n, p) for n, p in module.named_parameters() if p.requires_grad]
        super().__init__(chosen, groups, rounding)
        owned = {id(p): block for (_, p), block in zip(chosen, self.blocks)}
        inside = {id(part) for layer in layers for part in layer.modules()}
        self._units: dict[nn.Module, list[tuple[nn.Parameter, TensorBlock]]] = {}
        for part in module.modules():
            whole = any(part is layer for layer in layers)
            if whole or id(part) not in inside:
                own = [p for p in part.parameters(recurse=whole) if id(p) in owned]
                if own:
                    self._units[part] = [(p, owned[id(p)]) for p in own]
        found = {id(p) for members in self._units.values() for p, _ in members}
        for name, tensor in chosen:
            if id(tensor) not in found:
                raise Unsuitable(
                    f"scratch: {name} is no parameter of {type(module).__name__}, whose forward "
                    "could read a perturbed copy of it; use realisation = walk"
                )
        self._room = Room()
        self.making: Callable[[], AbstractContextManager[Any]] = nullcontext  # around each copy

    @contextmanager
    def probed(self, scale: float, direction: Direction) -> Iterator[None]:
        self.flush()
        with _as_written(), wrapped(self._wrappers(scale, direction) if scale != 0.0 else ()):
            yield

    def check(self, loss: Callable[[], Any]) -> None:
        """Raises Unsuitable if `loss()` reads a weight outside the forward of the module it is in.

        Such a weight would be read unperturbed, and silently. To find out, all weights are NaN for
        one evaluation, but where they are to be read: there are copies, which are NaN afterwards.
        """
        self.flush()
        true = {p: p.data for members in self._units.values() for p, _ in members}

        @contextmanager
        def copies(parameters: Sequence[nn.Parameter]) -> Iterator[Sequence[torch.Tensor]]:
            made = [true[parameter].clone() for parameter in parameters]
            yield made
            for copy in made:
                copy.fill_(NAN)

        def reading(parameters: Sequence[nn.Parameter]) -> Wrapper:
            def row(k: int, index: torch.Tensor, places: Any) -> torch.Tensor:
                return true[parameters[k]][index]

            return lambda forward: Perturbed(forward, parameters, partial(copies, parameters), row)

        units = [(part, reading([p for p, _ in members])) for part, members in self._units.items()]
        with torch.no_grad():
            expected = float(loss())
            try:
                for parameter, data in true.items():
                    parameter.data = torch.full((), NAN).to(data).expand(data.shape)
                with _as_written(), wrapped(units):
                    value = float(loss())
            finally:
                for parameter, data in true.items():
                    parameter.data = data
            # Copies lie elsewhere in memory, where sums may round otherwise; and a loss that is not
            # the same twice (sums in another order on a GPU) shows by NaN only.
            rounding = max(torch.finfo(p.dtype).eps for p in true) ** 0.5 * abs(expected)
            other = abs(value - expected) > rounding and float(loss()) == expected
            lost = value != value or other
        if lost and expected == expected:
            raise Unsuitable(
                "scratch: the loss reads weights outside the forward of the module that owns "
                "them, where they are not perturbed; use realisation = walk"
            )

    def _wrappers(
        self, scale: float, direction: Direction
    ) -> Iterator[tuple[nn.Module, Callable[[Forward], Perturbed]]]:
        for part, members in self._units.items():
            found = [Moved(p, b, tuple(direction.expand(b))) for p, b in members]
            moved = [m for m in found if m.terms]
            if moved:
                kind = LookedUp if _by_rows(part, moved) else Perturbed
                made: Callable[[Forward], Perturbed] = partial(
                    kind,
                    parameters=[m.parameter for m in moved],
                    weights=partial(self._copies, scale, moved),
                    rows=partial(self._rows, scale, moved),
                )
                yield part, made

    @contextmanager
    def _copies(self, scale: float, moved: Sequence[Moved]) -> Iterator[Sequence[torch.Tensor]]:
        """Perturbed copies of the parameters, in their shapes, for as long as nobody needs more."""
        data = [m.block.data for m in moved]
        with self._room.taken(data) as views:
            with self.making():
                self._fill(views, data, scale, moved)
            yield [view.view(m.parameter.shape) for view, m in zip(views, moved)]

    def _fill(
        self,
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
            alike.setdefault((m.terms, piece), []).append(k)
            at += len(data[k])
        for (terms, _), together in alike.items():
            outs = [views[k] for k in together]
            torch._foreach_copy_(outs, [data[k] for k in together])  # pyright: ignore
            scaled = [(scale * weight, primitive) for weight, primitive in terms]
            self.write_all(outs, [moved[k].block for k in together], scaled)

    def _rows(
        self,
        scale: float,
        moved: Sequence[Moved],
        k: int,
        index: torch.Tensor,
        places: Sequence[int] | None,
    ) -> torch.Tensor:
        """Rows of the perturbed parameter k, and no others: drawn alone, to the same bits."""
        with self.making():
            return self._made(scale, moved[k], index, places)

    def _made(
        self, scale: float, member: Moved, index: torch.Tensor, places: Sequence[int] | None
    ) -> torch.Tensor:
        parameter, block, terms = member
        out = block.data.view(parameter.shape).index_select(0, index)
        law = one_law(terms)
        if law is not None and tables.serves_rows(out.device.type):
            tables.accumulate_rows(
                out, index, [(scale * w, p.seed) for w, p in terms if isinstance(p, Noise)], law,
                block.index, stochastic_seed=self.rounding_seed(),
            )  # fmt: skip
            return out
        if low_rank.only(terms) and noise.serves(out.device.type):
            low_rank.add_rows(out, index, terms, scale, block)
            return out
        for row, place in zip(out, index.tolist() if places is None else places):
            self.write(row, terms, scale, block, place * parameter.shape[1])
        return out


def _as_written() -> AbstractContextManager[Any]:
    """Compiled modules run uncompiled inside: the compiler would take the copies for constants."""
    if "torch._dynamo" not in sys.modules:  # nothing is compiled, and to load it takes a second
        return nullcontext()
    return torch.compiler.set_stance("force_eager")


def _by_rows(part: nn.Module, moved: Sequence[Moved]) -> bool:
    """Is it an embedding whose rows can be drawn alone?"""
    if not isinstance(part, nn.Embedding) or len(moved) > 1:
        return False
    ((parameter, block, terms),) = moved
    device = block.data.device.type
    plain = one_law(terms) is not None and tables.serves_rows(device)
    alone = plain or (low_rank.only(terms) and noise.serves(device))
    return alone and parameter is part.weight and part.max_norm is None
