"""Writes of computed values into tensors, which round as `accumulate` does: once.

So every write to 16-bit weights rounds stochastically by one rule and one stream of uniforms.
Element e of a block takes the uniform e of (stochastic_seed, block): bits depend on neither slices
nor devices.
"""

from __future__ import annotations

from typing import Any

from zobench.core.noise import interface, tables

UNIFORM = "uniform"


def store(
    out: Any, values: Any, block: int, start: int = 0, stochastic_seed: int | None = None
) -> None:
    """Set out[k] = values[k], element start + k of a block, rounded once to the type of `out`.

    `out`: a flat tensor; `values`: a flat one of the same length on the same device, float32 where
    `out` has 16 bits. Given `stochastic_seed`, 16 bits are rounded stochastically: the expected
    result is `values`. All else is rounded to nearest.
    """
    if stochastic_seed is None or out.element_size() != 2:
        out.copy_(values)
        return
    uniforms = values.new_zeros(values.shape)
    drawn = ((1.0, stochastic_seed),)
    interface.accumulate(uniforms, drawn, UNIFORM, block, interface.ROUNDING, start)
    _round(out, values, uniforms)


def store_rows(
    out: Any, values: Any, places: Any, block: int, stochastic_seed: int | None = None
) -> None:
    """Set out[r] = values[r], row places[r] of a block, rounded as in `store`.

    `out` and `values`: shape (rows, width), contiguous; `places`: as `tables.accumulate_rows` takes
    them, and on a device that it serves.
    """
    if stochastic_seed is None or out.element_size() != 2:
        out.copy_(values)
        return
    uniforms = values.new_zeros(values.shape)
    drawn = ((1.0, stochastic_seed),)
    tables.accumulate_rows(uniforms, places, drawn, UNIFORM, block, interface.ROUNDING)
    _round(out.view(-1), values.view(-1), uniforms.view(-1))


def _round(out: Any, values: Any, uniforms: Any) -> None:
    """Round on the GPU of the values, or, for other devices, on the host."""
    device = out.device.type
    if device != "cpu" and interface._triton_serves(device) and device not in interface._backends:
        interface._module("cuda").store(out, values, uniforms)
        return
    host = out if device == "cpu" else out.new_empty(out.shape, device="cpu")
    interface._module("tensors").store(host, values.cpu(), uniforms.cpu())
    if host is not out:
        out.copy_(host)
