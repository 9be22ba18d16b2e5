"""Moves that are due, written block by block by a pass that reads the weights anyway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zobench.core.directions import Term
from zobench.engine.due import BlockWrite
from zobench.engine.merging import WritePass
from zobench.engine.tensor_block import TensorBlock
from zobench.engine.unbroken import unbroken

if TYPE_CHECKING:
    import torch

    from zobench.engine.tensors import Note, TensorParams


class Passing:
    """The moves that a pass still has to write, and how far it is in each block.

    Each write is noted as soon as it is made, so that a pass that is broken off can be finished, or
    taken back.
    """

    def __init__(
        self, params: TensorParams, moves: WritePass, written: list[BlockWrite], note: Note
    ) -> None:
        """Begin a pass.

        Args:
            params: whose moves are due.
            moves: pairs (blocks, the terms to add to each of them).
            written: the list of all writes of the pass so far.
            note: note(outs, blocks, terms, start) returns a context that adds a write to the list.
        """
        self.params, self.written, self._note = params, written, note
        self._blocks = {block.index: block for blocks, _ in moves for block in blocks}
        self._terms = {block.index: terms for blocks, terms in moves for block in blocks}
        self._done: dict[int, int] = {}  # elements written so far, for blocks in the making

    def terms(self, block: TensorBlock, start: int = 0) -> Sequence[Term]:
        """Return the terms that are still to be added to a block from element `start` on."""
        if start < self._done.get(block.index, 0):
            return ()
        return self._terms.get(block.index, ())

    def is_begun(self, block: TensorBlock) -> bool:
        """Return True if a part of a block has its moves, and another part has not."""
        return block.index in self._done

    def bring(self, block: TensorBlock, start: int = 0, stop: int | None = None) -> None:
        """Write the moves of a block up to element `stop` (by default its end)."""
        stop = block.size if stop is None else stop
        terms = self._terms.get(block.index)
        if terms is None:
            return
        first = self._done.get(block.index, 0)
        if stop <= first:
            return
        with unbroken:
            if block.out.dim() != 1 or (first, stop) == (0, block.size):
                self.params.write_all([block.out], [block], terms, self._note)
                self.reached(block, block.size)
            else:
                self.params.write(block.out[first:stop], terms, 1.0, block, first, self._note)
                self.reached(block, stop)

    def bring_all(self, blocks: Sequence[TensorBlock]) -> None:
        """Write the moves of whole blocks, those with the same terms together."""
        alike: dict[int, list[TensorBlock]] = {}
        for block in blocks:
            terms = self._terms.get(block.index)
            if terms is None:
                continue
            if block.index in self._done:
                self.bring(block)
            else:
                alike.setdefault(id(terms), []).append(block)
        for together in alike.values():
            terms = self._terms[together[0].index]
            with unbroken:
                self.params.write_all([b.out for b in together], together, terms, self._note)
                for block in together:
                    self.reached(block, block.size)

    def note(self, block: TensorBlock, part: torch.Tensor, start: int) -> None:
        """Note that other code has moved `part`, from element `start` on, inside `unbroken`."""
        self.written.append(BlockWrite([part], [block], self._terms[block.index], start))
        self.reached(block, start + len(part))

    def reached(self, block: TensorBlock, stop: int) -> None:
        """Note that a block has its moves up to element `stop`."""
        self._done[block.index] = stop
        if stop >= block.size:
            for facts in (self._terms, self._done, self._blocks):
                facts.pop(block.index, None)

    def finish(self) -> None:
        """Write the moves of all blocks that the pass has not come to."""
        self.bring_all(list(self._blocks.values()))
