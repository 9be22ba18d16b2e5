"""Params over torch tensors, which are moved in place, without a copy of the weights.

Moves along equal directions merge until the point is read. So MeZO's walk x + eps z, x - eps z, x,
x - lr c z costs three draws of noise and two passes over the weights per step: the restore and the
update are written with the next step's first probe. No estimator needs code for it. Moves along
directions that can change are written at once.

Autograd sees every write (`Tensor._version` goes up), and every write to 16 bits is rounded once,
to nearest or stochastically. A write that breaks off is taken back, and is due again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, SupportsFloat

import numpy as np
import torch
from torch.autograd.graph import increment_version

from zobench.core.directions import Direction, Noise, Probe, Term, add_terms, terms_of
from zobench.core.fixed import key, settled, waits
from zobench.core.noise import interface as noise
from zobench.core.noise.stored import store
from zobench.core.params import CHUNK, Group, Params, smallest
from zobench.core.seeds import fold
from zobench.engine import low_rank
from zobench.engine.due import BlockWrite, Due
from zobench.engine.merging import one_law, passes_of
from zobench.engine.passing import Passing
from zobench.engine.realisation import Realisation, Walk
from zobench.engine.tensor_block import Observer, TensorBlock, flattened
from zobench.engine.ties import check_apart
from zobench.engine.unbroken import unbroken
from zobench.errors import BadInput

STEP = 1 << 24  # elements of a weight that are in float32 at once, off the CPU
# note(outs, blocks, terms, start) returns the context of a write that is made whole or not at all
Note = Callable[
    [Sequence[torch.Tensor], Sequence[TensorBlock], Sequence[Term], int],
    AbstractContextManager[object],
]


class TensorParams(Params):
    """Torch tensors as the blocks of a point. They are moved in place.

    Moves wait, and are written when the point is read through the params: call `flush` before
    other code reads the tensors.

    Args:
        named: pairs (name, tensor), one block each. Tensors of 16, 32 or 64 bits are moved in their
            own type.
        groups: the groups of blocks; by default each block is a group of its own.
        rounding: a seed to round writes of 16-bit tensors stochastically; None to round to nearest.

    Attributes:
        realisation: how probes reach the tensors: they are moved there and back, or read as
            perturbed copies.
        observer: is called before every move; None by default.
        writes: the number of writes so far, from which the seeds of stochastic rounding follow.

    Raises:
        BadInput: there is no tensor, or one of them is not of floats, has gaps, or shares memory
            with another.

    Example:
        >>> import torch
        >>> weight = torch.zeros(2, 2)
        >>> params = zobench.TensorParams([("weight", weight)])
        >>> with params.probed(0.1, zobench.Noise(0)):
        ...     bool(weight.abs().max() > 0.05)
        True
        >>> params.flush()
        >>> bool(weight.abs().max() < 1e-6)
        True
    """

    ops: Any = torch  # a module, see Params

    def __init__(
        self,
        named: Iterable[tuple[str, torch.Tensor]],
        groups: Sequence[Group] = (),
        rounding: int | None = None,
    ) -> None:
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
        self.groups: Sequence[Group] = tuple(groups) or tuple(
            Group(b.name, frozenset([b.index])) for b in blocks
        )
        self.rounding: int | None = rounding
        self.writes: int = 0
        self.observer: Observer | None = None
        self.realisation: Realisation = Walk()
        self._due = Due()
        self._passing: Passing | None = None  # the pass that is under way
        self.broke: bool = False  # True after a write that was taken back

    def add(self, scale: float, direction: Direction) -> None:
        if self.observer:
            self.observer.added(scale, direction)
        direction = settled(direction, self.blocks)
        before, waiting = self._due, waits(direction)
        self._due = after = before.moved(key(direction), scale, direction)
        if waiting:
            return  # a direction that may change is written at once
        try:
            self.flush()
        except BaseException:
            if self._due is after:  # it was not written
                self._due = before
            raise

    @contextmanager
    def returning(self) -> Iterator[None]:
        self.flush()
        stored, writes = [block.tensor.detach().clone() for block in self.blocks], self.writes
        try:
            yield
        finally:
            self.home()
            with torch.no_grad():
                for block, tensor in zip(self.blocks, stored):
                    block.tensor.copy_(tensor)
            self.writes = writes

    def probed(self, scale: float, direction: Direction) -> AbstractContextManager[None]:
        return self.realisation.probed(self, scale, direction)

    def check(self, loss: Callable[[], SupportsFloat]) -> None:
        """Check that a loss reads the weights where a probe reaches them.

        Args:
            loss: computes a loss, and returns a number.

        Raises:
            Unsuitable: it reads a weight elsewhere.
        """
        self.realisation.check(self, loss)

    def go_to(self, probe: Probe) -> None:
        """Write a probe into the blocks, for a realisation that moves the weights.

        Args:
            probe: the pair (scale, direction).
        """
        self._due = self._due.probing(key(probe[1]), probe)
        self.flush()

    def go_back(self, probe: Probe) -> bool:
        """Make the way back from a probe due.

        Args:
            probe: the same object that `go_to` was called with.

        Returns:
            False if it was due already.
        """
        if not any(other is probe for other in self._due.probes):
            return False
        self._due = self._due.back(key(probe[1]), probe)
        return True

    def seal(self) -> None:
        """Keep later moves from merging with earlier ones, so that rounding is that of a flush."""
        if self._due.pending:
            self._due = self._due.parted()

    @property
    def is_away(self) -> bool:
        """True if the blocks are at a probe, or on the way there or back."""
        return bool(self._due.probes)

    def home(self) -> None:
        """Bring the blocks back to the point, wherever a probe or a write was broken off."""
        self._passing = None
        self.realisation.restore(self)
        for probe in reversed(self._due.probes):
            self.go_back(probe)
        self.flush()

    def together(self, probes: Sequence[Probe]) -> AbstractContextManager[None]:
        return self.realisation.together(self, probes)

    @contextmanager
    def passing(self) -> Iterator[Passing]:
        """Inside, a realisation passes over the weights, and writes the moves that are due.

        Yields:
            The moves. Those that were not written inside are written at the end.
        """
        self._take_back()
        moves = passes_of(self._due, self.blocks)
        if len(moves) > 1:
            self.flush()
            moves = [[]]
        due, self._passing = (
            self._due,
            Passing(self, moves[0], self._due.written, _noting(self._due.written)),
        )
        if moves[0]:
            increment_version([block.tensor for blocks, _ in moves[0] for block in blocks])
            self.writes += 1
        try:
            yield self._passing
        finally:
            passing, self._passing = self._passing, None
            if passing is not None:
                passing.finish()
                self._due = due.done()

    def flush(self) -> None:
        if self._passing is not None:  # it is this pass that writes
            self._passing.finish()
            return
        self._take_back()  # what could not be taken back before
        due = self._due
        passes = passes_of(due, self.blocks)
        increment_version([block.tensor for blocks, _ in passes[0] for block in blocks])
        try:
            for writes in passes:
                self.writes += 1  # two writes of a weight are not rounded by the same numbers
                for blocks, terms in writes:
                    self.write_all([b.out for b in blocks], blocks, terms, _noting(due.written))
            self._due = due.done()
        except BaseException:
            self._take_back()
            raise

    def _take_back(self) -> None:
        """Take back the writes of a flush that was broken off, the last one first."""
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
        out = np.zeros(block.size, _compute(block))
        add_terms(out, list(terms_of(direction, block)), block, 0, _threads())
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
        """Return True if writes to this block are rounded stochastically."""
        return self.rounding is not None and block.tensor.element_size() == 2

    def _rewrite(
        self, block: TensorBlock, change: Callable[[torch.Tensor, slice], torch.Tensor]
    ) -> None:
        """Set x to change(x in float32, its slice of the block), part by part, rounded."""
        step = _at_once(block)
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
        flat, step = block.data, _at_once(block)
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
        """Add the same terms to several tensors: outs[i] += their sum on blocks[i].

        On a GPU, plain noise is added to all of them in one launch.

        Args:
            outs: flat tensors as long as their blocks, or ones of a block's shape that are not
                contiguous, which are written one by one through a flat copy.
            blocks: the block of each tensor.
            terms: pairs (weight, primitive).
            note: note(outs, blocks, terms, start) returns the context of each write.
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
        flats, members = zip(*together)
        with note(flats, members, terms, 0):
            noise.accumulate_blocks(
                flats,
                [block.index for block in members],
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
        """Add terms to a tensor: out += scale * their sum on a slice of the block.

        Noise of one law is added in one pass, and so are products of factors. Other primitives are
        added by chunks, which are made on the host.

        Args:
            out: a flat tensor; of a matrix it is whole rows.
            terms: pairs (weight, primitive).
            scale: the factor of their sum.
            block: the block that `out` is a slice of, or a copy of a slice.
            start: the first coordinate of the slice in the block.
            note: note(outs, blocks, terms, start) returns the context of each write.
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

            def note_rows(first: int, piece: torch.Tensor) -> AbstractContextManager[object]:
                return note([piece.view(-1)], [block], terms, start + first * width)

            low_rank.add(out.view(-1, width), terms, scale, block, rows, seed, note_rows)
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
        """Return the seed of the rounding of writes, until `writes` goes up.

        Returns:
            A seed, or None to round to nearest.
        """
        return None if self.rounding is None else fold(self.rounding, self.writes)


def _noting(written: list[BlockWrite]) -> Note:
    """Return contexts that add each write to `written` as soon as it is made."""

    @contextmanager
    def note(*write: Any) -> Iterator[None]:
        with unbroken:
            yield
            written.append(BlockWrite(*write))

    return note


def _dropping(written: list[BlockWrite]) -> Note:
    """Return contexts that drop the last of `written` as soon as it is taken back."""

    @contextmanager
    def note(*_: Any) -> Iterator[None]:
        with unbroken:
            yield
            written.pop()

    return note


def _unnoted(*_: Any) -> AbstractContextManager[object]:
    return nullcontext()


def _at_once(block: TensorBlock) -> int:
    """Return how many elements of a block are converted or compared at once."""
    return CHUNK if block.tensor.device.type == "cpu" else STEP


def _compute(block: TensorBlock) -> type:
    return np.float64 if block.tensor.dtype == torch.float64 else np.float32


def _threads() -> int:
    return torch.get_num_threads()
