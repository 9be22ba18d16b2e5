"""Two perturbed copies of weights, with the moves that the weights wait for, in one pass.

A pair of probes reads W + eps z and W - eps z, and the weights themselves stay. So the last move
can wait for the pass that makes the next copies: W is read and written once, and z is drawn once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from zobench.core.noise import interface, native
from zobench.core.noise.layout import BITS_CHUNK
from zobench.errors import BadInput

PARTS = 4  # per thread, so that a busy core does not delay the others


def perturbed_pair(
    weight: Any,
    plus: Any,
    minus: Any,
    scales: tuple[Any, Any],
    seed: Any,
    law: str,
    block: int,
    *,
    start: int = 0,
    moves: interface.Terms = (),
    stream: int = interface.DIRECTION,
    threads: int = 1,
    stochastic_seeds: tuple[int, int, int] | None = None,
) -> None:
    """Move `weight` by the noise of `moves`, then set both copies of it, in one pass.

        weight += sum of u z(old seed),  plus = weight + scales[0] z,  minus = weight + scales[1] z

    Every result has the bits of `accumulate`: on `weight` with `moves`, then on a copy of the moved
    weights with (scale, seed). So weights of 16 bits are rounded before they are copied.

    Args:
        weight: contiguous torch tensor, shape (n,): a block, or a slice of one, such as some rows
            of a matrix, flat.
        plus: tensor of the same shape, type and device, which holds anything before.
        minus: another such tensor.
        scales: those of the probes, such as (eps, -eps).
        seed: that of their direction, one for both.
        law: of the direction and of the moves.
        block: index of the block, in [0, 2^32).
        start: position of weight[0] in the block.
        moves: pairs (scale, seed), any number of them, added in one pass; none: `weight` is read.
        stream: use of the noise.
        threads: number of threads on a CPU; no bit depends on it.
        stochastic_seeds: of stochastic rounding to 16 bits: of the moves, of plus and of minus;
            None: round to nearest.

    Raises:
        BadInput: as `accumulate`, and for tensors that differ in shape, type or device.
    """
    pair = PerturbedPair(
        weight, plus, minus, scales, seed, law, block, start=start, moves=moves, stream=stream,
        threads=threads, stochastic_seeds=stochastic_seeds,
    )  # fmt: skip
    if plus.shape != weight.shape or minus.shape != weight.shape:
        raise BadInput(_unlike(weight, plus if plus.shape != weight.shape else minus))
    pair.make(0, len(weight))


class PerturbedPair:
    """The same for slices of a weight, one after the other: what they share is checked once.

    `plus` and `minus` are as long as the longest slice, and hold the copies of the last one.
    """

    def __init__(
        self,
        weight: Any,
        plus: Any,
        minus: Any,
        scales: tuple[Any, Any],
        seed: Any,
        law: str,
        block: int,
        *,
        start: int = 0,
        moves: interface.Terms = (),
        stream: int = interface.DIRECTION,
        threads: int = 1,
        stochastic_seeds: tuple[int, int, int] | None = None,
    ) -> None:
        """Take the arguments of `perturbed_pair`."""
        for out in (plus, minus):
            if (out.dtype, out.device, out.dim()) != (weight.dtype, weight.device, weight.dim()):
                raise BadInput(_unlike(weight, out))
        self.weight, self.outs, self.scales, self.seed = weight, (plus, minus), scales, seed
        self.law, self.block, self.start, self.moves = law, block, start, moves
        self.stream, self.threads, self.rounding = stream, threads, stochastic_seeds
        self.terms = [*moves, (scales[0], seed), (scales[1], seed)]
        code = interface._checked(law, block, stream, start)
        interface._check_seeds(self.terms, None)
        self.job: np.ndarray | None = None
        device = weight.device.type
        if device == "cpu" and device not in interface._backends:
            tensors = interface._module("tensors")
            kind = tensors.slab(weight, block, start)[0]
            for out in (plus, minus):
                tensors.slab(out, block, start)  # checked
            if stochastic_seeds is None and kind in tensors.COPIED:
                self._prepare(kind, code)

    def make(self, first: int, last: int) -> None:
        """Move the elements `first` to `last` of the weight, and copy them, in one pass."""
        if self.job is not None:
            self._share(self.job, first, last)
            return
        weight, device = self.weight[first:last], self.weight.device.type
        plus, minus = (out[: last - first] for out in self.outs)
        start, law, block, stream = self.start + first, self.law, self.block, self.stream
        if (
            self.rounding is None
            and interface._triton_serves(device)
            and device not in interface._backends
        ):
            cuda = interface._module("cuda")
            if len(self.moves) <= cuda.COPIED:
                cuda.copies(weight, plus, minus, self.terms, law, block, stream, start)
                return
        at, *seeds = self.rounding or (None, None, None)
        if self.moves:
            interface.accumulate(weight, self.moves, law, block, stream, start, self.threads, at)
        for out, scale, rounding in zip((plus, minus), self.scales, seeds, strict=True):
            out.copy_(weight)
            interface.accumulate(
                out, [(scale, self.seed)], law, block, stream, start, self.threads, rounding
            )

    def _prepare(self, kind: int, law: int) -> None:
        """Make the job of the kernel; its last two terms are those of the copies."""
        terms = interface._numbers(self.terms)
        self._scales = np.array([scale for scale, _ in terms], np.float64)
        self._seeds = np.array([seed for _, seed in terms], np.int64)
        plus, minus = self.outs
        self.job = np.array(
            [
                *(0, 0, kind, 0, plus.data_ptr(), minus.data_ptr(), 0, 0, 0, self.block),
                *(self.stream, law, len(terms) - 2),
                *(self._scales.ctypes.data, self._seeds.ctypes.data),
            ],
            np.int64,
        )
        self._kernel = native.kernel("cpu_copies.share")
        self._at = self.weight.data_ptr(), self.weight.element_size(), self.job.ctypes.data

    def _share(self, job: np.ndarray, first: int, last: int) -> None:
        size, start = last - first, self.start + first
        if not size:
            return
        alone = self.threads <= 1 or size <= BITS_CHUNK
        share = size if alone else -(-size // (PARTS * self.threads))
        step = start + size if alone else -(-share // BITS_CHUNK) * BITS_CHUNK
        address, width, job_address = self._at
        job[0], job[1] = 0, (start + size - 1) // step - start // step + 1
        job[3], job[6:9] = address + first * width, (size, start, step)
        if alone:
            self._kernel(job_address)
        else:
            interface._module("team").together(self._kernel, job_address, self.threads)


def _unlike(weight: Any, out: Any) -> str:
    return (
        f"noise: copies of weights of {weight.dtype}, shape {tuple(weight.shape)}, on "
        f"{weight.device} are of the same kind, not {out.dtype}, shape {tuple(out.shape)}, "
        f"on {out.device}"
    )
