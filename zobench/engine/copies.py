"""Perturbed copies of a part of a weight, for several probes in one read of it.

The noise of a direction is drawn once, however many probes lie along it, and moves of the weight
that are due are written first. So a weight is read once for all probes of a pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch

from zobench.core.directions import Direction, Noise, Probe, Term, terms_of
from zobench.core.fixed import key
from zobench.core.noise import interface as noise
from zobench.core.noise import tables
from zobench.core.noise.copies import PerturbedPair
from zobench.core.noise.stored import store, store_rows
from zobench.engine import low_rank
from zobench.engine.merging import one_law
from zobench.engine.passing import Passing
from zobench.engine.room import Room
from zobench.engine.tensor_block import TensorBlock
from zobench.engine.tensors import TensorParams
from zobench.engine.unbroken import unbroken

SMALL = 1 << 16  # elements of a block whose copies are made before the pass, with those of others
ALL_SMALL = 1 << 20  # elements of all of them


class Along(NamedTuple):
    """The probes along one direction: its terms on a block, and pairs (probe, scale)."""

    terms: tuple[Term, ...]
    members: list[tuple[int, float]]

    def within(self, which: tuple[int, ...]) -> list[tuple[int, float]]:
        """Return pairs (place among the probes `which`, scale) of those that are among them."""
        return [(which.index(k), scale) for k, scale in self.members if k in which]


class Copies:
    """Makes copies of weights for the probes of one call. `which` are numbers of probes."""

    def __init__(
        self, params: TensorParams, probes: Sequence[Probe], passing: Passing, room: Room
    ) -> None:
        self.params, self.probes, self.passing, self.room = params, probes, passing, room
        self._small: dict[int, tuple[torch.Tensor, int]] = {}  # by block: all copies, and where
        self._which: tuple[int, ...] = ()  # whose small copies those are
        directions: dict[Any, tuple[Direction, list[tuple[int, float]]]] = {}
        for k, (scale, direction) in enumerate(probes):
            if scale != 0.0:
                directions.setdefault(key(direction), (direction, []))[1].append((k, float(scale)))
        self._along: dict[int, list[Along]] = {}
        for block in params.blocks:
            along = [
                Along(tuple((float(w), p) for w, p in terms_of(direction, block)), members)
                for direction, members in directions.values()
            ]
            along = [a for a in along if a.terms]
            if along and block.size:
                self._along[block.index] = along

    def moves(self, block: TensorBlock) -> bool:
        """Return True if a probe moves the block."""
        return block.index in self._along

    # ------------------------------------------------------------------ small blocks, all at once

    def prepare(self, which: tuple[int, ...]) -> None:
        """Make the copies of all small blocks for the probes `which`."""
        self._small, self._which = {}, which
        chosen: dict[Any, list[TensorBlock]] = {}
        total = 0
        for block in sorted(self.params.blocks, key=lambda b: b.size):
            if block.size > SMALL or total + block.size > ALL_SMALL:
                break
            if self.moves(block) and block.out.dim() == 1:
                total += block.size
                chosen.setdefault((block.tensor.device, block.tensor.dtype), []).append(block)
        for blocks in chosen.values():
            self.passing.bring_all(blocks)
            n, size = len(which), sum(block.size for block in blocks)
            rows = self.room.lasting("copies", blocks[0].tensor, n * size).view(n, size)
            torch.cat([block.out for block in blocks], out=rows[0])
            rows[1:] = rows[0]
            at = 0
            for block in blocks:
                self._small[block.index] = rows, at
                at += block.size
            alike: dict[Any, tuple[Sequence[Term], list[tuple[int, float]], list[int]]] = {}
            for i, block in enumerate(blocks):
                for along in self._along[block.index]:
                    terms, members = along.terms, along.within(which)
                    name = tuple((weight, key(p)) for weight, p in terms), tuple(members)
                    if members:
                        alike.setdefault(name, (terms, members, []))[2].append(i)
            for terms, members, places in alike.values():
                self._add_all(rows, blocks, terms, members, places)

    def _add_all(
        self,
        rows: torch.Tensor,
        blocks: Sequence[TensorBlock],
        terms: Sequence[Term],
        members: Sequence[tuple[int, float]],
        places: Sequence[int],
    ) -> None:
        """Add scale * the sum of terms to the blocks `places` of rows, for pairs (row, scale)."""
        params, own = self.params, [blocks[i] for i in places]
        whole = len(own) == len(blocks)
        if len(members) == 1 or not whole or params.rounding_seed() is not None:
            for k, scale in members:
                scaled = [(scale * weight, p) for weight, p in terms]
                outs = [rows[k, a : a + b.size] for b in own for a in [self._small[b.index][1]]]
                params.write_all(outs, own, scaled)
            return
        z = self._zeros(rows[0])
        outs = [z[a : a + b.size] for b in own for a in [self._small[b.index][1]]]
        params.write_all(outs, own, terms)
        for k, scale in members:
            if rows.element_size() > 2:
                rows[k].add_(z, alpha=scale)
            else:
                rows[k].copy_(rows[k] + scale * z)

    def stack(self, block: TensorBlock, which: tuple[int, ...]) -> torch.Tensor | None:
        """Return the copies (probes, *shape) of a small block; None for another one."""
        lasting = self._small.get(block.index)
        if lasting is None:
            return None
        rows, at = lasting
        if which != self._which:
            first = self._which.index(which[0])
            rows = rows[first : first + len(which)]
        return rows[:, at : at + block.size].view(len(which), *block.shape)

    # ------------------------------------------------------------------ slices of a block

    def slices(
        self, block: TensorBlock, which: tuple[int, ...], step: int, outs: Sequence[torch.Tensor]
    ) -> Iterator[tuple[int, int, list[torch.Tensor]]]:
        """Yield (start, stop, copies) for slices of `step` elements of a block, in their order.

        Args:
            block: a block in its order of indices in memory.
            which: the numbers of the probes.
            step: elements of a slice; the last one may have fewer.
            outs: flat tensors of at least that length, one per probe, for the copies.

        Yields:
            The first element of the slice, the one after its last, and flat copies, one per probe:
            a part of its `outs`, or of the weight itself where the probe does not move it.
        """
        alongs: list[tuple[list[tuple[int, float]], Sequence[Term], PerturbedPair | None]] = []
        for along in self._along.get(block.index, ()):
            members, terms = along.within(which), along.terms
            if members:
                pair = self._pair(block, members, terms, outs, first=not alongs)
                alongs.append((members, terms, pair))
        for start in range(0, block.size, step):
            stop = min(block.size, start + step)
            weight = block.out[start:stop]
            result = [weight] * len(which)
            for members, terms, pair in alongs:
                for i, _ in members:
                    result[i] = outs[i] if len(outs[i]) == len(weight) else outs[i][: len(weight)]
                if pair is not None and pair.moves:
                    with unbroken:
                        pair.make(start, stop)
                        self.passing.note(block, weight, start)
                    continue
                self.passing.bring(block, 0, stop)
                if pair is not None:
                    pair.make(start, stop)
                else:
                    made = [(result[i], scale) for i, scale in members]
                    self._fill(made, weight, terms, block, start)
            self.passing.bring(block, 0, stop)
            yield start, stop, result

    def _pair(
        self,
        block: TensorBlock,
        members: list[tuple[int, float]],
        terms: Sequence[Term],
        outs: Sequence[torch.Tensor],
        first: bool,
    ) -> PerturbedPair | None:
        """Return what makes two copies in one pass; None if that cannot be.

        `first`: before any other copy of the block. Then it also moves the block, if it can.
        """
        if len(members) != 2 or len(terms) != 1 or not noise.serves(block.tensor.device.type):
            return None
        ((factor, direction),) = terms
        if type(direction) is not Noise:
            return None
        due = self.passing.terms(block) if first and not self.passing.is_begun(block) else ()
        (i, up), (j, down) = members
        seed = self.params.rounding_seed()
        return PerturbedPair(
            block.out, outs[i], outs[j], (up * factor, down * factor), direction.seed,
            direction.law, block.index, threads=torch.get_num_threads(),
            moves=[(u, p.seed) for u, p in due if type(p) is Noise]
            if one_law(due) == direction.law
            else (),
            stochastic_seeds=None if seed is None else (seed, seed, seed),
        )  # fmt: skip

    def whole(
        self, block: TensorBlock, which: tuple[int, ...], outs: Sequence[torch.Tensor]
    ) -> list[torch.Tensor]:
        """Return a whole block at each probe, in its shape and as it lies in memory.

        `outs` are as for `slices`.
        """
        small = self.stack(block, which)
        if small is not None:
            return list(small)
        if block.out.dim() == 1:
            ((_, _, made),) = self.slices(block, which, block.size, outs)
            return [copy.view(block.shape) for copy in made]
        self.passing.bring(block)
        weight, result = block.data, [block.tensor] * len(which)
        for along in self._along.get(block.index, ()):
            members = along.within(which)
            flats = [(outs[i][: block.size], scale) for i, scale in members]
            self._fill(flats, weight, along.terms, block, 0)
            for (i, _), (flat, _) in zip(members, flats):
                copy = torch.empty_strided(
                    block.shape, block.tensor.stride(), dtype=flat.dtype, device=flat.device
                )
                result[i] = copy.copy_(flat.view(block.shape))
        return result

    def _fill(
        self,
        outs: Sequence[tuple[torch.Tensor, float]],
        weight: torch.Tensor,
        terms: Sequence[Term],
        block: TensorBlock,
        start: int,
    ) -> None:
        """Set each out to weight + scale * the sum of terms, for pairs (out, scale)."""
        params = self.params
        if len(outs) == 1:
            ((out, scale),) = outs
            out.copy_(weight)
            params.write(out, terms, scale, block, start)
            return
        z = self._zeros(weight)
        params.write(z, terms, 1.0, block, start)
        for out, scale in outs:
            if weight.element_size() > 2:
                torch.add(weight, z, alpha=scale, out=out)
            else:
                store(out, weight + scale * z, block.index, start, params.rounding_seed())

    def _zeros(self, like: torch.Tensor) -> torch.Tensor:
        """Return zeros as long as `like`, of 32 bits or more."""
        dtype = like.dtype if like.element_size() > 2 else torch.float32
        return self.room.lasting("noise", like, len(like), dtype).zero_()

    # ------------------------------------------------------------------ rows of a table

    def serves_rows(self, block: TensorBlock) -> bool:
        """Return True if rows of the block can be made alone."""
        device = block.tensor.device.type
        if block.out.dim() != 1 or len(block.shape) != 2 or not tables.serves_rows(device):
            return False
        sums = [a.terms for a in self._along.get(block.index, ())]
        return all(one_law(terms) is not None or low_rank.only(terms) for terms in sums)

    def rows(
        self, block: TensorBlock, which: tuple[int, ...], index: torch.Tensor
    ) -> list[torch.Tensor]:
        """Return the rows `index` (int64, on the device of the table) at each probe."""
        small = self.stack(block, which)
        if small is not None:
            return [table.index_select(0, index) for table in small]
        due = self.passing.terms(block)
        if due and (one_law(due) is None or self.passing.is_begun(block)):
            self.passing.bring(block)
            due = ()
        seed = self.params.rounding_seed()
        weight = block.tensor.index_select(0, index)
        if due:  # those rows as they will be; the table is written when the pass comes to it
            self._add_rows(weight, index, due, 1.0, block, seed)
        result = [weight] * len(which)
        for along in self._along.get(block.index, ()):
            members = along.within(which)
            if len(members) == 1:
                ((i, scale),) = members
                result[i] = weight.clone()
                self._add_rows(result[i], index, along.terms, scale, block, seed)
            elif members:
                z = torch.zeros_like(
                    weight, dtype=weight.dtype if weight.element_size() > 2 else torch.float32
                )
                self._add_rows(z, index, along.terms, 1.0, block, None)
                for i, scale in members:
                    if weight.element_size() > 2:
                        result[i] = torch.add(weight, z, alpha=scale)
                    else:
                        result[i] = torch.empty_like(weight)
                        store_rows(result[i], weight + scale * z, index, block.index, seed)
        return result

    @staticmethod
    def _add_rows(
        out: torch.Tensor,
        index: torch.Tensor,
        terms: Sequence[Term],
        scale: float,
        block: TensorBlock,
        seed: int | None,
    ) -> None:
        law = one_law(terms)
        if law is None:
            low_rank.add_rows(out, index, terms, scale, block, seed)
            return
        tables.accumulate_rows(
            out, index, [(scale * w, p.seed) for w, p in terms if type(p) is Noise], law,
            block.index, stochastic_seed=seed,
        )  # fmt: skip


def on_host(block: TensorBlock) -> bool:
    """Return True if noise of the block is made on a CPU, where caches are small."""
    return block.tensor.device.type == "cpu" and noise.serves("cpu")
