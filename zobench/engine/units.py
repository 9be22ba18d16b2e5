"""How modules with weights run on a batch that holds the rows of several probes.

Each kind of module multiplies the rows of each probe with that probe's copy of its weights. For
linear layers copies are made in slices that stay in the cache of a CPU. A module of any other kind
runs once per probe, on the rows of that probe, with its copies in place of its weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Protocol

import torch
import torch.nn.functional as fn
from torch import nn
from torch.autograd.graph import increment_version
from torch.nn.modules.batchnorm import _NormBase
from torch.utils._pytree import tree_flatten, tree_unflatten

from zobench.engine.bare import BareReads
from zobench.engine.caches import forget
from zobench.engine.copies import Copies, on_host
from zobench.engine.draws import SameDraws
from zobench.engine.reads import LookUps
from zobench.engine.room import Room
from zobench.engine.stacking import for_rows, joined, part_of, rows_of
from zobench.engine.tensor_block import TensorBlock
from zobench.engine.wrapping import ModuleForward

# Bytes of one copy of a slice of a weight, about, on a CPU. In float32 it stays in the second
# cache; products of 16 bits lose more by being short than they gain by that.
SLICE, SLICE_16_BITS = 1 << 20, 5 << 19
ALIGNED = 1 << 12  # elements: slices begin where chunks of noise do
# Modules that read the weights of the modules in them themselves.
CLOSED = (nn.MultiheadAttention, nn.TransformerEncoderLayer)
Own = Sequence[tuple[nn.Parameter, TensorBlock]]


class PairedBatch(Protocol):
    """What a batch holds while a module runs."""

    copies: Copies
    which: tuple[int, ...]  # the probes whose rows it holds, one after the other
    rows: int  # of one probe, at the entry of the model
    draws: SameDraws | None  # None if the model draws nothing
    bare: bool  # True if parameters beside the modules that are called are replaced where read

    @property
    def room(self) -> Room:
        """The memory for copies."""
        ...

    def alone(self, k: int) -> Any:
        """Return the context in which the batch holds the rows of probe k only."""
        ...


class Whole:
    """Any module: its forward runs once per probe, with copies of its weights placed in it."""

    def __init__(self, module: nn.Module, own: Own) -> None:
        """`own`: pairs (parameter, block) of the weights that move and that its forward reads."""
        self.module, self.own = module, own
        self.blocks = [block for _, block in own]
        self.below = self.blocks  # also of the modules in it
        self.is_container = False  # True if it calls other modules with weights

    def run(
        self, batch: PairedBatch, forward: ModuleForward, args: Any, kwargs: Any, shared: bool
    ) -> Any:
        """Run on the rows of all probes of the batch.

        Args:
            batch: what it holds.
            forward: the forward of the module.
            args: its arguments.
            kwargs: those with names.
            shared: True if the arguments are the same for all rows.
        """
        which = batch.which
        moved = [(p, b) for p, b in self.own if batch.copies.moves(b)]
        is_open = self.is_container and batch.bare
        like = [b.tensor for _, b in moved for _ in which]
        with batch.room.taken(like) as taken:
            n = len(which)
            copies = [
                batch.copies.whole(block, which, taken[i * n : (i + 1) * n])
                for i, (_, block) in enumerate(moved)
            ]
            parameters = [parameter for parameter, _ in moved]
            if n == 1:
                values = [copy[0] for copy in copies]
                inner = nullcontext() if is_open else batch.alone(which[0])
                with placed(parameters, values), inner:
                    return forward(*args, **kwargs)
            if is_open:
                stacks = [torch.stack(copy) for copy in copies]
                with BareReads(parameters, stacks):
                    return forward(*args, **kwargs)
            leaves, form = tree_flatten((args, kwargs))
            rows = rows_of(leaves)
            outputs = []
            states = batch.draws.states() if batch.draws else None
            with _buffers_of_the_first(self.module) as next_probe:
                for i, k in enumerate(which):
                    next_probe()
                    part = leaves if shared or rows is None else part_of(leaves, rows, i, n)
                    own_args, own_kwargs = tree_unflatten(part, form)
                    if states is not None and batch.draws:
                        batch.draws.put(states)
                    values = [copy[i] for copy in copies]
                    with placed(parameters, values), batch.alone(k):
                        outputs.append(forward(*own_args, **own_kwargs))
        return joined(outputs, None if shared or rows is None else rows // n, batch.rows)


class LayerNorm(Whole):
    """nn.LayerNorm and nn.RMSNorm, whose functions take the copies directly."""

    def run(
        self, batch: PairedBatch, forward: ModuleForward, args: Any, kwargs: Any, shared: bool
    ) -> Any:
        module: Any = self.module
        small = [batch.copies.stack(block, batch.which) for block in self.blocks]
        if shared or kwargs or len(args) != 1 or any(s is None for s in small):
            return super().run(batch, forward, args, kwargs, shared)
        (x,) = args
        values = {id(p): s for (p, _), s in zip(self.own, small)}
        n, out = len(batch.which), torch.empty_like(x)
        parts, outs = (
            x.view(n, -1, *x.shape[1:]) if n > 1 else x[None],
            out.view(n, -1, *x.shape[1:]),
        )
        for k in range(n):

            def value(parameter: Any, k: int = k) -> Any:
                stack = values.get(id(parameter))
                return parameter if stack is None else stack[k]

            if isinstance(module, nn.LayerNorm):
                outs[k] = fn.layer_norm(
                    parts[k], module.normalized_shape, value(module.weight), value(module.bias),
                    module.eps,
                )  # fmt: skip
            else:
                outs[k] = fn.rms_norm(
                    parts[k], module.normalized_shape, value(module.weight), module.eps
                )
        return out


class Linear(Whole):
    """nn.Linear, and Conv1D of transformers, whose weight is the transposed one."""

    def __init__(self, module: nn.Module, own: Own, transposed: bool) -> None:
        super().__init__(module, own)
        self.transposed = transposed

    def run(
        self, batch: PairedBatch, forward: ModuleForward, args: Any, kwargs: Any, shared: bool
    ) -> Any:
        module: Any = self.module
        blocks = {id(parameter): block for parameter, block in self.own}
        weight = blocks.get(id(module.weight))
        if (
            weight is None
            or kwargs
            or len(args) != 1
            or weight.out.dim() != 1
            or torch.is_autocast_enabled(weight.tensor.device.type)
            or not batch.copies.moves(weight)
        ):
            return super().run(batch, forward, args, kwargs, shared)
        (x,) = args
        n, width = len(batch.which), x.shape[-1]
        lead = x.shape[:-1]
        rows = (x.expand(n, *x.shape) if shared else x).reshape(n, -1, width)
        with self._bias(batch, blocks.get(id(module.bias)), module.bias) as bias:
            out = self._product(batch, rows, weight, bias)
        if shared:
            parts = [for_rows(part.view(*lead, -1), batch.rows) for part in out]
            return torch.cat(parts)
        return out.view(*lead, -1)

    @contextmanager
    def _bias(
        self, batch: PairedBatch, block: TensorBlock | None, bias: torch.Tensor | None
    ) -> Iterator[Sequence[torch.Tensor] | torch.Tensor | None]:
        """Inside, the value is the bias of each probe, or None."""
        n = len(batch.which)
        if bias is None:
            yield None
        elif block is None or not batch.copies.moves(block):
            yield bias.expand(n, -1)
        else:
            small = batch.copies.stack(block, batch.which)
            if small is not None:
                yield small
            else:
                with batch.room.taken([block.tensor] * n) as taken:
                    yield batch.copies.whole(block, batch.which, taken)

    def _product(
        self,
        batch: PairedBatch,
        x: torch.Tensor,
        weight: TensorBlock,
        bias: Sequence[torch.Tensor] | torch.Tensor | None,
    ) -> torch.Tensor:
        """Return the outputs (probes, rows, features) for x (probes, rows, width)."""
        n, (first, second) = len(batch.which), weight.shape
        small = batch.copies.stack(weight, batch.which)
        if small is not None:
            matrix = small if self.transposed else small.transpose(1, 2)
            if isinstance(bias, torch.Tensor):
                return torch.baddbmm(bias.unsqueeze(1), x, matrix)
            if bias is None:
                return torch.bmm(x, matrix)
        features = second if self.transposed else first
        out = x.new_empty(n, x.shape[1], features)
        step = self._step(weight)
        with batch.room.taken([weight.out[: step * second]] * n, apart=True) as taken:
            slices = batch.copies.slices(weight, batch.which, step * second, taken)
            if self.transposed:
                rows = [x[k].split(step, dim=1) for k in range(n)]
                for place, (start, _, parts) in enumerate(slices):
                    for k, part in enumerate(parts):
                        matrix = part.view(-1, second)
                        own = bias[k] if bias is not None else None
                        _add(out[k], rows[k][place], matrix, own, start)
                return out
            # Views are made for all slices at once, as products of small models are short.
            outs = [out[k].split(step, dim=1) for k in range(n)]
            biases = [bias[k].split(step) for k in range(n)] if bias is not None else None
            for place, (_, _, parts) in enumerate(slices):
                for k, part in enumerate(parts):
                    matrix = part.view(-1, second).t()
                    if biases is None:
                        torch.mm(x[k], matrix, out=outs[k][place])
                    else:
                        torch.addmm(biases[k][place], x[k], matrix, out=outs[k][place])
        return out

    def _step(self, weight: TensorBlock) -> int:
        """Return how many rows of the weight are copied at once."""
        first, second = weight.shape
        # Sums of 16 bits are not added up in several products.
        if not on_host(weight) or (self.transposed and weight.tensor.element_size() == 2):
            return first
        unit = ALIGNED // math.gcd(ALIGNED, second)
        width = weight.tensor.element_size()
        count = -(-weight.size * width // (SLICE_16_BITS if width == 2 else SLICE))
        return min(first, -(-first // (count * unit)) * unit)


class Embedding(Whole):
    """nn.Embedding: only the rows that are looked up are made."""

    def run(
        self, batch: PairedBatch, forward: ModuleForward, args: Any, kwargs: Any, shared: bool
    ) -> Any:
        ((table, block),) = self.own
        if not batch.copies.moves(block) or not batch.copies.serves_rows(block):
            return super().run(batch, forward, args, kwargs, shared)
        which, n = batch.which, len(batch.which)

        given = rows_of(tree_flatten((args, kwargs))[0])

        def look_up(ids: torch.Tensor) -> torch.Tensor | None:
            alike = shared or ids.shape[0] != given  # positions, which it makes itself
            flat = ids.reshape(-1).long()
            if ids.device.type == "cpu":
                index, where = torch.unique(flat, return_inverse=True)
            elif len(flat) < len(table):  # to find equal ones would be to wait for the device
                index, where = flat, torch.arange(len(flat), device=flat.device)
            else:
                raise Unread
            tables = batch.copies.rows(block, which, index)
            if n == 1:
                return fn.embedding(where.view(ids.shape), tables[0])
            if alike:
                values = [fn.embedding(where.view(ids.shape), rows) for rows in tables]
                return torch.cat([for_rows(value, batch.rows) for value in values])
            parts = where.view(ids.shape).view(n, -1, *ids.shape[1:])
            return torch.cat([fn.embedding(part, rows) for part, rows in zip(parts, tables)])

        def unread(_: torch.Tensor) -> None:
            raise Unread

        try:
            with LookUps(table, look_up, unread):
                return forward(*args, **kwargs)
        except Unread:  # it reads the table otherwise: all of it is made
            return super().run(batch, forward, args, kwargs, shared)


class Unread(Exception):  # noqa: N818 - a fact about a forward
    """A forward that reads more of a table than rows."""


def unit_of(module: nn.Module, own: Own) -> Whole:
    """Return how a module with weights of its own runs.

    Args:
        module: any module.
        own: pairs (parameter, block) of its weights that move.
    """
    kind, plain = type(module), "forward" not in vars(module)
    blocks = {id(parameter) for parameter, _ in own}
    weight: Any = getattr(module, "weight", None)
    if plain and kind.forward is nn.Linear.forward and id(weight) in blocks:
        return Linear(module, own, transposed=False)
    if plain and kind.__name__ == "Conv1D" and kind.__module__ == "transformers.pytorch_utils":
        return Linear(module, own, transposed=True)
    norms = (nn.LayerNorm.forward, getattr(getattr(nn, "RMSNorm", None), "forward", None))
    if plain and kind.forward in norms:
        return LayerNorm(module, own)
    if isinstance(module, nn.Embedding) and len(own) == 1 and module.max_norm is None:
        return Embedding(module, own)
    return Whole(module, own)


def reads_batch(module: nn.Module) -> bool:
    """Return True if a forward reads the whole batch, though no weight moves: a norm over it."""
    return isinstance(module, _NormBase) and (
        module.training or not getattr(module, "track_running_stats", True)
    )


@contextmanager
def placed(parameters: Sequence[nn.Parameter], values: Sequence[torch.Tensor]) -> Iterator[None]:
    """Inside, the parameters have other values."""
    former = [parameter.data for parameter in parameters]
    try:
        increment_version(parameters)
        for parameter, value in zip(parameters, values):
            parameter.data = value
        forget()
        yield
    finally:
        increment_version(parameters)
        for parameter, data in zip(parameters, former):
            parameter.data = data
        forget()


@contextmanager
def _buffers_of_the_first(module: nn.Module) -> Iterator[Callable[[], None]]:
    """Inside, a module runs several times; its buffers become those that the first run left.

    Yields:
        A function that is called before each run.
    """
    if not module.training or next(module.buffers(), None) is None:
        yield _nothing
        return
    tensors = list(module.buffers())
    before = [t.clone() for t in tensors]
    first: list[torch.Tensor] = []
    begun = 0

    def next_run() -> None:
        nonlocal begun
        begun += 1
        if begun == 2:
            first.extend(t.clone() for t in tensors)
        if begun > 1:
            for tensor, value in zip(tensors, before):
                tensor.copy_(value)

    yield next_run
    for tensor, value in zip(tensors, first):
        tensor.copy_(value)


def _add(
    out: torch.Tensor,
    x: torch.Tensor,
    matrix: torch.Tensor,
    bias: torch.Tensor | None,
    first: int,
) -> None:
    """Add x @ matrix to out; if it is the first of several products, set out to it."""
    if first:
        out.addmm_(x, matrix)
    elif bias is None:
        torch.mm(x, matrix, out=out)
    else:
        torch.addmm(bias, x, matrix, out=out)


def _nothing() -> None:
    pass
