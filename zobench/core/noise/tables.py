"""Noise of some rows of a table: only the rows that are looked up are drawn."""

from __future__ import annotations

from typing import Any

from zobench.core.noise import interface
from zobench.errors import BadInput


def serves_rows(device_type: str) -> bool:
    """Return True if `accumulate_rows` takes tensors of this kind of device."""
    return device_type not in interface._backends and (
        device_type == "cpu" or interface._triton_serves(device_type)
    )


def accumulate_rows(
    out: Any,
    places: Any,
    terms: interface.Terms,
    law: str,
    block: int,
    stream: int = interface.DIRECTION,
    stochastic_seed: int | None = None,
) -> None:
    """Add the noise of some rows of a table, with the bits of `accumulate` on the whole table.

    out[r, i] += sum of scale * z(seed)[places[r] * width + i], for `out` of shape (rows, width), a
    contiguous torch tensor as `accumulate` takes. `places`: int64, shape (rows,), on the device of
    `out`, in any order and repeated at will; negative ones are undefined. Nothing waits for a
    device. On a CPU a chunk is drawn once for rows of it that follow each other.

    Raises BadInput as `accumulate` does, for shapes that do not fit, and where `serves_rows` is
    False.
    """
    code = interface._checked(law, block, stream, 0)
    interface._check_seeds(terms, stochastic_seed)
    if out.dim() != 2 or not out.is_contiguous():
        raise BadInput(f"noise rows: a contiguous 2-D tensor, not one of shape {tuple(out.shape)}")
    if tuple(places.shape) != (len(out),) or str(places.dtype) != "torch.int64":
        raise BadInput(
            f"noise rows: places are {len(out)} numbers of type int64, not {places.dtype} of shape "
            f"{tuple(places.shape)}"
        )
    device = out.device.type
    if not serves_rows(device):
        raise BadInput(f"no rows of noise on device {device!r}")
    if not terms or not out.numel():
        return
    if device == "cpu":
        rounding = None if stochastic_seed is None else (stochastic_seed, interface.ROUNDING)
        interface._module("tensors").accumulate_rows(
            out, places, interface._numbers(terms), code, block, stream, rounding
        )
    else:
        interface._module("cuda").accumulate_rows(
            out, places, terms, law, block, stream, stochastic_seed
        )
