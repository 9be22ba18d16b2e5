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
    for out in (plus, minus):
        if (out.shape, out.dtype, out.device) != (weight.shape, weight.dtype, weight.device):
            raise BadInput(
                f"noise: copies of weights of {weight.dtype}, shape {tuple(weight.shape)}, on "
                f"{weight.device} are of the same kind, not {out.dtype}, shape {tuple(out.shape)}, "
                f"on {out.device}"
            )
    terms = [*moves, (scales[0], seed), (scales[1], seed)]
    code = interface._checked(law, block, stream, start)
    interface._check_seeds(terms, None)
    if weight.device.type == "cpu" and "cpu" not in interface._backends:
        tensors = interface._module("tensors")
        slab = tensors.slab(weight, block, start)
        for out in (plus, minus):
            tensors.slab(out, block, start)  # checked
        if stochastic_seeds is None and slab[0] in tensors.COPIED:
            _fused(slab, plus, minus, interface._numbers(terms), code, stream, threads)
            return
    elif (
        stochastic_seeds is None
        and interface._triton_serves(weight.device.type)
        and weight.device.type not in interface._backends
    ):
        cuda = interface._module("cuda")
        if len(moves) <= cuda.COPIED:
            cuda.copies(weight, plus, minus, terms, law, block, stream, start)
            return
    at, up, down = stochastic_seeds or (None, None, None)
    if moves:
        interface.accumulate(weight, moves, law, block, stream, start, threads, at)
    for out, scale, rounding in ((plus, scales[0], up), (minus, scales[1], down)):
        out.copy_(weight)
        interface.accumulate(out, [(scale, seed)], law, block, stream, start, threads, rounding)


def _fused(
    slab: tuple[int, int, int, int, int],
    plus: Any,
    minus: Any,
    terms: interface.Terms,
    law: int,
    stream: int,
    threads: int,
) -> None:
    """Run the kernel; the last two terms are those of the copies."""
    kind, at, size, block, start = slab
    if not size:
        return
    scales = np.array([scale for scale, _ in terms], np.float64)
    seeds = np.array([seed for _, seed in terms], np.int64)
    alone = threads <= 1 or size <= BITS_CHUNK
    share = size if alone else -(-size // (PARTS * threads))
    step = -(-share // BITS_CHUNK) * BITS_CHUNK if not alone else start + size
    parts = (start + size - 1) // step - start // step + 1
    job = np.array(
        [
            *(0, parts, kind, at, plus.data_ptr(), minus.data_ptr(), size, start, step),
            *(block, stream, law, len(terms) - 2, scales.ctypes.data, seeds.ctypes.data),
        ],
        np.int64,
    )
    kernel = native.kernel("cpu_copies.share")
    if alone:
        kernel(job.ctypes.data)
    else:
        interface._module("team").together(kernel, job.ctypes.data, threads)
