"""Params over torch tensors, moved in place ("walk"): no copy of the weights, ever.

Moves along equal directions merge until somebody must see the point. So MeZO's walk
x + eps z, x - eps z, x, x - lr c z costs three draws of noise and two passes over the weights a
step (the restore and the update ride on the next step's first probe), with no code for it in any
estimator. Only directions that cannot change, nor what they expand into, can wait; moves along
others are written at once.

Every write tells autograd (`Tensor._version` goes up), and every write to 16 bits is rounded once,
to nearest or, on demand, stochastically. A write that breaks off is taken back, and is due again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, SupportsFloat

import numpy as np
import torch
from torch.autograd.graph import increment_version

from zobench.core.directions import Direction, Noise, Primitive, Probe, Term, add_terms
from zobench.core.fixed import SEEDED, key, waits
from zobench.core.noise import interface as noise
from zobench.core.noise.stored import store
from zobench.core.params import CHUNK, Group, Params, smallest
from zobench.core.seeds import fold
from zobench.engine import low_rank
from zobench.engine.due import BlockWrite, Due
from zobench.engine.realisation import Realisation, Walk
from zobench.engine.tensor_block import Observer, TensorBlock, flattened
from zobench.engine.ties import check_apart
from zobench.engine.unbroken import unbroken
from zobench.errors import BadInput

STEP = 1 << 24  # elements of a weight that are in float32 at once, off the CPU
# note(outs, blocks, terms, start) is around each write that is made whole or not at all
Note = Callable[
    [Sequence[torch.Tensor], Sequence[TensorBlock], Sequence[Term], int],
    AbstractContextManager[Any],
]


class TensorParams(Params):
    """The given tensors as blocks; by default each block is a group of its own."""

    ops: Any = torch

    def __init__(
        self,
        named: Iterable[tuple[str, torch.Tensor]],
        groups: Sequence[Group] = (),
        rounding: int | None = None,
    ) -> None:
        """`rounding`: a seed to round writes of 16-bit tensors stochastically; else to nearest."""
        blocks, start = [], 0
        for name, tensor in named:
            blocks.append(TensorBlock(len(blocks), name, tensor, start))
            start += tensor.numel()
        if not blocks:
            raise BadInput(
                "no tensor to move: the module has no parameter that requires a gradient"
            )
        check_apart([(block.name, block.tensor) for block in blocks])
        self.blocks: Sequence[TensorBlock] = tuple(blocks)
        self.groups = tuple(groups) or tuple(Group(b.name, frozenset([b.index])) for b in blocks)
        self.rounding, self.writes = rounding, 0
        self.observer: Observer | None = None
        self.realisation: Realisation = Walk()
        self._due = Due()
        self.broke = False  # was a write taken back?

    def add(self, scale: float, direction: Direction) -> None:
        """x <- x + scale * direction, written at the next flush."""
        if self.observer:
            self.observer.added(scale, direction)
        before, waiting = self._due, waits(direction, self.blocks)
        self._due = after = before.moved(key(direction), scale, direction)
        if waiting:
            return  # others may change before they are written
        try:
            self.flush()
        except BaseException:
            if self._due is after:  # it was not written
                self._due = before
            raise

    def probed(self, scale: float, direction: Direction) -> AbstractContextManager[None]:
        return self.realisation.probed(self, scale, direction)

    def check(self, loss: Callable[[], SupportsFloat]) -> None:
        """Raise Unsuitable if `loss()` reads weights where a probe would not reach them."""
        self.realisation.check(self, loss)

    def go_to(self, probe: Probe) -> None:
        """Write a probe into the blocks."""
        self._due = self._due.probing(key(probe[1]), probe)
        self.flush()

    def go_back(self, probe: Probe) -> bool:
        """Make the way back from a probe due. Return False if it was due already."""
        if not any(other is probe for other in self._due.probes):
            return False
        self._due = self._due.back(key(probe[1]), probe)
        return True

    def seal(self) -> None:
        """Moves to come merge with none before: the point is rounded as if it were written now."""
        if self._due.pending:
            self._due = self._due.parted()

    @property
    def away(self) -> bool:
        """Are the blocks at a probe, or on the way?"""
        return bool(self._due.probes)

    def home(self) -> None:
        """The blocks hold the point, wherever a probe or a write was broken off."""
        self.realisation.restore(self)
        for probe in reversed(self._due.probes):
            self.go_back(probe)
        self.flush()

    def flush(self) -> None:
        self._take_back()  # what could not be taken back before
        due = self._due
        # A scale on a device is not looked at: that would be to wait for the device.
        moves = [
            (layer, scale, direction)
            for layer, held in enumerate((*due.sealed, due.pending))
            for scale, direction in held.values()
            if type(scale) is not float or scale != 0.0
        ]
        unnamed: dict[Any, Any] = {}  # those that do not stand for themselves

        def name(primitive: Primitive) -> Hashable:
            found = key(primitive)
            if found is not primitive:
                unnamed[found] = primitive
            return found

        # All terms before the first write: a direction that raises leaves the point whole.
        alike: dict[tuple[tuple[int, float, Hashable], ...], list[TensorBlock]] = {}
        for block in self.blocks if moves else ():
            terms = tuple(
                (k, weight, primitive if type(primitive) in SEEDED else name(primitive))
                for k, (_, _, direction) in enumerate(moves)
                for weight, primitive in direction.expand(block)
            )
            if terms and block.size:
                alike.setdefault(terms, []).append(block)
        increment_version([block.tensor for blocks in alike.values() for block in blocks])
        passes: list[list[tuple[list[TensorBlock], list[Term]]]] = [[]]
        for terms, blocks in alike.items():
            merged: dict[int, dict[Any, float]] = {}
            for k, weight, found in terms:
                layer, scale, _ = moves[k]
                sums = merged.setdefault(layer, {})
                sums[found] = sums.get(found, 0.0) + scale * weight
            layers = [[(w, unnamed.get(n, n)) for n, w in sums.items()] for sums in merged.values()]
            whole = [term for layer in layers for term in layer]
            # Noise of one law is added term by term, also in one pass.
            for k, total in enumerate([whole] if one_law(whole) else layers):
                passes += [[]] if k == len(passes) else []
                passes[k].append((blocks, total))
        try:
            for writes in passes:
                self.writes += 1  # two writes of a weight are not rounded by the same numbers
                for blocks, total in writes:
                    self.write_all([b.out for b in blocks], blocks, total, _noting(due.written))
            self._due = due.done()
        except BaseException:
            self._take_back()
            raise

    def _take_back(self) -> None:
        """Take back what a flush had written that did not come to its end, the last write first."""
        written = self._due.written
        if not written:
            return
        self.broke = True
        self.writes += 1
        increment_version([block.tensor for write in written for block in write.blocks])
        while written:
            outs, blocks, terms, start = written[-1]
            back = [(-weight, primitive) for weight, primitive in terms]
            if len(outs) > 1 or outs[0].dim() != 1:
                self.write_all(outs, blocks, back, _dropping(written))
            else:
                self.write(outs[0], back, 1.0, blocks[0], start, _dropping(written))

    def shrink(self, factor: float, blocks: frozenset[int] | None = None) -> None:
        if self.observer:
            self.observer.shrunk(factor, blocks)
        self.flush()
        self.writes += 1
        with unbroken:
            for block in self.blocks:
                if blocks is None or block.index in blocks:
                    if self._rounds(block):
                        self._rewrite(block, lambda values, _: values.mul_(factor))
                    else:
                        block.tensor.mul_(factor)

    def dense(self, direction: Direction, block: TensorBlock) -> torch.Tensor:
        """On the block's device, in float32 (float64 for float64 weights)."""
        out = np.zeros(block.size, _compute(block))
        add_terms(out, list(direction.expand(block)), block, 0, _threads())
        return torch.from_numpy(out).to(block.tensor.device)

    def update(self, block: TensorBlock, delta: torch.Tensor) -> None:
        if self.observer:
            self.observer.updated(block, delta)
        self.writes += 1
        with unbroken:
            if self._rounds(block):
                self._rewrite(block, lambda values, part: values.add_(delta[part]))
            else:
                block.out.add_(delta if block.out.dim() == 1 else delta.view(block.shape))

    def _rounds(self, block: TensorBlock) -> bool:
        """Are writes to this block rounded stochastically?"""
        return self.rounding is not None and block.tensor.element_size() == 2

    def _rewrite(
        self, block: TensorBlock, change: Callable[[torch.Tensor, slice], torch.Tensor]
    ) -> None:
        """x <- change(x in float32, the part of the block that it is), part by part, rounded."""
        step = CHUNK if block.tensor.device.type == "cpu" else STEP
        increment_version(block.tensor)
        with flattened(block.out) as flat:
            for at in range(0, block.size, step):
                piece = flat[at : at + step]
                values = change(piece.float(), slice(at, at + len(piece)))
                store(piece, values, block.index, at, self.rounding_seed())

    def threshold(self, block: TensorBlock, share: float) -> float:
        self.flush()
        return block.data.abs().kthvalue(smallest(share, block)).values.item()

    def small(self, block: TensorBlock, threshold: float) -> np.ndarray:
        flat, step = block.data, CHUNK if block.tensor.device.type == "cpu" else STEP
        parts = (flat[at : at + step].abs() <= threshold for at in range(0, block.size, step))
        return np.concatenate([np.packbits(part.cpu().numpy()) for part in parts])

    def flat(self) -> np.ndarray:
        self.flush()
        return np.concatenate([b.data.cpu().double().numpy() for b in self.blocks])

    def write_all(
        self,
        outs: Sequence[torch.Tensor],
        blocks: Sequence[TensorBlock],
        terms: Sequence[Term],
        note: Note | None = None,
    ) -> None:
        """outs[i] += sum of terms on blocks[i]: on a GPU, plain noise goes into all in one launch.

        `outs` are flat and as long as their blocks, or of a block's shape and not contiguous: these
        are written one by one, through a flat copy.
        """
        note, law = note or _unnoted, one_law(terms)
        plain = law is not None and all(noise.serves(out.device.type) for out in outs)
        together: list[tuple[torch.Tensor, TensorBlock]] = []
        for out, block in zip(outs, blocks):
            if out.dim() != 1:
                flat = out.reshape(-1)
                self.write(flat, terms, 1.0, block, 0)
                with note([out], [block], terms, 0):
                    out.copy_(flat.view(out.shape))
            elif plain:
                together.append((out, block))
            else:
                self.write(out, terms, 1.0, block, 0, note)
        if law is None or not together:
            return
        flats, whole = zip(*together)
        with note(flats, whole, terms, 0):
            noise.accumulate_blocks(
                flats,
                [block.index for block in whole],
                [(weight, p.seed) for weight, p in terms if type(p) is Noise],
                law,
                threads=_threads(),
                stochastic_seed=self.rounding_seed(),
            )

    def write(
        self,
        out: torch.Tensor,
        terms: Sequence[Term],
        scale: float,
        block: TensorBlock,
        start: int,
        note: Note | None = None,
    ) -> None:
        """out += scale * sum of terms, for the slice of `block` from `start` on; out is flat.

        A slice of a matrix is whole rows. Noise of one law goes in directly, in one pass; so do
        products of factors; the rest by chunks, made on the host.
        """
        note, law = note or _unnoted, one_law(terms)
        if law is not None and noise.serves(out.device.type):
            seeds = [(scale * w, p.seed) for w, p in terms if type(p) is Noise]
            with note([out], [block], terms, start):
                noise.accumulate(
                    out, seeds, law, block.index,
                    start=start, threads=_threads(), stochastic_seed=self.rounding_seed(),
                )  # fmt: skip
            return
        if low_rank.only(terms) and noise.serves(out.device.type):
            width, seed, rows = block.shape[1], self.rounding_seed(), start // block.shape[1]

            def noted(first: int, piece: torch.Tensor) -> AbstractContextManager[Any]:
                return note([piece.view(-1)], [block], terms, start + first * width)

            low_rank.add(out.view(-1, width), terms, scale, block, rows, seed, noted)
            return
        scaled = [(scale * float(w), p) for w, p in terms]
        for at in range(0, len(out), CHUNK):
            part = np.zeros(min(CHUNK, len(out) - at), _compute(block))
            add_terms(part, scaled, block, start + at)
            piece = out[at : at + len(part)]
            values = torch.from_numpy(part).to(out.device).add_(piece)
            with note([piece], [block], terms, start + at):
                store(piece, values, block.index, start + at, self.rounding_seed())

    def rounding_seed(self) -> int | None:
        """The seed of the writes until `writes` goes up, where they round stochastically."""
        return None if self.rounding is None else fold(self.rounding, self.writes)


def _noting(written: list[BlockWrite]) -> Note:
    """Adds each write to `written`, as soon as it is made."""

    @contextmanager
    def note(*write: Any) -> Iterator[None]:
        with unbroken:
            yield
            written.append(BlockWrite(*write))

    return note


def _dropping(written: list[BlockWrite]) -> Note:
    """Drops the last of `written`, as soon as it is taken back."""

    @contextmanager
    def note(*_: Any) -> Iterator[None]:
        with unbroken:
            yield
            written.pop()

    return note


def _unnoted(*_: Any) -> AbstractContextManager[Any]:
    return nullcontext()


def one_law(terms: Sequence[Term]) -> str | None:
    """The law of terms that are all plain noise of one law, else None."""
    laws = {p.law if type(p) is Noise else None for _, p in terms}
    return laws.pop() if len(laws) == 1 else None


def _compute(block: TensorBlock) -> type:
    return np.float64 if block.tensor.dtype == torch.float64 else np.float32


def _threads() -> int:
    return torch.get_num_threads()
