"""The interface of noise: random directions that replay from a seed, added in one fused pass.

    accumulate(out, [(eps, seed)], "gaussian", block=3)     # out += eps * z(seed)

Element e of a stream depends on (law, seed, block, stream, e) alone: not on slices, order, threads
or device, and no global generator is touched. `layout` has the definition, `reference` a readable
version. To import this module loads neither LLVM nor torch. The first use loads machine code, which
numba compiles once per installation (ten seconds). The first CUDA tensor loads Triton.

    interface -> arrays  -> jobs, native               NumPy arrays
              -> tensors -> arrays                     torch tensors on a CPU
              -> cuda    -> cuda_kernels, cuda_copies  torch tensors on a GPU
    copies    -> native, cuda                          perturbed copies in one pass
    native    -> cpu, cpu_*                            machine code of kernels, stored or made
    cpu*      -> draw -> hadamard -> elements -> rounding -> compiled    numba
    cuda_*    -> cuda_tile -> cuda_hadamard -> cuda_draw                 Triton
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from zobench.core.noise import jobs
from zobench.core.noise.layout import FLOAT64
from zobench.core.noise.layout import LAWS as LAWS
from zobench.core.noise.native import kernel
from zobench.errors import BadInput, unknown

# Streams: the uses of one (seed, block), disjoint from each other.
DIRECTION, FACTOR_U, FACTOR_V, MASK, ROUNDING = range(5)

# (scale, seed): numbers, or 0-d tensors that hold them on the device of `out`
Terms = Sequence[tuple[Any, Any]]
# backend(out, terms, law, block, stream, start, stochastic_seed) does what `accumulate` says
Backend = Callable[[Any, Terms, str, int, int, int, int | None], None]

_backends: dict[str, Backend] = {}
_code = {law: code for code, law in enumerate(LAWS)}


def register_backend(device_type: str, backend: Backend) -> None:
    """Let a backend serve the tensors of a kind of device, such as "mps"."""
    _backends[device_type] = backend


def serves(device_type: str) -> bool:
    """Return True if noise can be added to tensors of this kind of device where they are."""
    return device_type == "cpu" or device_type in _backends or _triton_serves(device_type)


def accumulate(
    out: Any,
    terms: Terms,
    law: str,
    block: int,
    stream: int = DIRECTION,
    start: int = 0,
    threads: int = 1,
    stochastic_seed: int | None = None,
) -> None:
    """Add the sum of scale * z(seed)[start + k], over all terms, to each out[k], in place.

    There is one read and one write of `out` for all terms, and no temporary of its size. Sums in
    float32 and float64 are rounded once per term, so that several terms give the bits of one call
    per term. Sums in 16 bits are made in float32 and rounded once.

    Args:
        out: contiguous NumPy array of float32 or float64, or torch tensor of any floating-point
            type, shape (n,).
        terms: pairs (scale, seed), seeds in [0, 2^63). Both may be 0-d tensors (floating point;
            int64, whose range is not checked). On the CUDA device of `out` they are read there, and
            the host does not wait for them.
        law: "gaussian", "hadamard", "rademacher" or "uniform".
        block: index of the block, in [0, 2^32).
        stream: use of the noise, in [0, 2^32).
        start: position of out[0] in the block.
        threads: number of threads that share out a large block on a CPU; no bit depends on it.
        stochastic_seed: seed of stochastic rounding to 16 bits, whose expected result is the exact
            sum; None: round to nearest.

    Raises:
        BadInput: unknown law, number out of range, `out` of another kind, or device without a
            backend.
    """
    code = _checked(law, block, stream, start)
    _check_seeds(terms, stochastic_seed)
    if not terms:
        return
    if isinstance(out, np.ndarray):
        _module("arrays").accumulate(out, _numbers(terms), code, block, stream, start, threads)
        return
    device = getattr(getattr(out, "device", None), "type", None)
    if device is None:
        raise BadInput(f"noise needs a NumPy array or a torch tensor, not {type(out).__name__}")
    if device in _backends:
        _backends[device](out, terms, law, block, stream, start, stochastic_seed)
    elif device == "cpu":
        rounding = None if stochastic_seed is None else (stochastic_seed, ROUNDING)
        _module("tensors").accumulate(
            out, _numbers(terms), code, block, stream, start, threads, rounding
        )
    elif _triton_serves(device):
        _module("cuda").accumulate(out, terms, law, block, stream, start, stochastic_seed)
    else:
        known = ", ".join(sorted({"cpu", *_backends, *["cuda"] * _triton_serves("cuda")}))
        raise BadInput(f"no noise on device {device!r}; there is noise on: {known}")


def accumulate_blocks(
    outs: Sequence[Any],
    blocks: Sequence[int],
    terms: Terms,
    law: str,
    *,
    stream: int = DIRECTION,
    threads: int = 1,
    stochastic_seed: int | None = None,
) -> None:
    """Call `accumulate(outs[i], terms, law, blocks[i])` for all i; on CUDA, one launch per type.

    Raises BadInput as `accumulate` does, and for unequal numbers of outs and blocks.
    """
    if len(outs) != len(blocks):
        raise BadInput(f"noise: {len(outs)} outs and {len(blocks)} blocks; equally many are needed")
    (code,) = {_checked(law, block, stream, 0) for block in (0, *blocks)}
    _check_seeds(terms, stochastic_seed)
    kinds: dict[str | None, list[tuple[Any, int]]] = {}
    for out, block in zip(outs, blocks):
        device = out.device.type if _is_tensor(out) else None
        kinds.setdefault(None if device in _backends else device, []).append((out, block))
    for device, members in kinds.items():
        if device == "cpu":
            rounding = None if stochastic_seed is None else (stochastic_seed, ROUNDING)
            how = _numbers(terms), code, stream, threads, rounding
            _module("tensors").accumulate_blocks(members, *how)
        elif device == "cuda" and _triton_serves(device):
            _module("cuda").accumulate_blocks(*zip(*members), terms, law, stream, stochastic_seed)
        else:
            for out, block in members:
                accumulate(out, terms, law, block, stream, 0, threads, stochastic_seed)


def rows(
    points: np.ndarray,
    scales: Sequence[float] | np.ndarray,
    law: str,
    seeds: Sequence[int] | np.ndarray,
    block: int,
    stream: int = DIRECTION,
    start: int = 0,
) -> None:
    """Add scales[k] * z(seeds[k])[start + i] to each points[k, i], in one call for all probes.

    `points`: float64, shape (probes, width). Equal seeds side by side (an antithetic pair) are
    drawn once. Bits are those of `accumulate` row by row. Raises BadInput as it does, and for
    unequal numbers of points, scales and seeds.
    """
    code = _checked(law, block, stream, start)
    for seed in seeds:
        if seed >> 63:
            raise _bad_seed(seed)
    _module("arrays").rows(points, scales, code, seeds, block, stream, start)


def accumulate_one(out: np.ndarray, scale: float, law: str, seed: int, block: int) -> None:
    """Add scale * z(seed) to a float64 vector, without checks: one microsecond per call."""
    job = jobs.accumulate(FLOAT64, id(out), out.size, scale, _code[law], seed, block, DIRECTION, 0)
    kernel("cpu.accumulate")(job)


def pair(
    points: np.ndarray,
    x: np.ndarray,
    plus: float,
    minus: float,
    law: str,
    seed: int,
    borders: np.ndarray,
) -> None:
    """Set points[0] = x + plus z and points[1] = x + minus z, a pair of probes, without checks.

    `points`: float64, shape (2, d), contiguous. `x`: float64, shape (d,). `borders`: int64, the
    starts of the blocks, and d.
    """
    where, count = id(borders), len(borders)
    job = jobs.pair(id(points), id(x), plus, minus, _code[law], seed, where, count, DIRECTION)
    kernel("cpu_rows.pair")(job)


def values(law: str, seed: int, block: int, stream: int, start: int, stop: int) -> np.ndarray:
    """Return elements `start` to `stop` of a stream: float32, shape (stop - start,).

    Laws: "gaussian" N(0, 1), |z| <= 5.89; "hadamard" the same to moments of order 7, |z| <= 11.31;
    "rademacher" -1 or 1; "uniform" [0, 1) in steps of 2^-24.
    """
    out = np.zeros(stop - start, np.float32)
    accumulate(out, ((1.0, seed),), law, block, stream, start)
    return out


def _checked(law: str, block: int, stream: int, start: int) -> int:
    """Return the number of a law for kernels. Raises BadInput for numbers out of range."""
    if law not in _code:
        raise unknown("law", law, LAWS)
    if block >> 32 or stream >> 32:
        raise BadInput(f"noise: block {block} and stream {stream} must be in [0, 2^32)")
    if start < 0:
        raise BadInput(f"noise: start {start} is negative")
    return _code[law]


def _check_seeds(terms: Terms, stochastic_seed: int | None) -> None:
    for _, seed in terms:
        if not _is_tensor(seed) and seed >> 63:  # a look at a tensor waits for its device
            raise _bad_seed(seed)
    if stochastic_seed is not None and stochastic_seed >> 63:
        raise _bad_seed(stochastic_seed)


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "data_ptr")  # numbers of NumPy have a device too


def _numbers(terms: Terms) -> Terms:
    """Return the terms as numbers, for kernels of the CPU."""
    if not any(_is_tensor(value) for term in terms for value in term):
        return terms
    numbers = [(float(scale), int(seed)) for scale, seed in terms]
    _check_seeds(numbers, None)
    return numbers


def _bad_seed(seed: int) -> BadInput:
    return BadInput(f"noise: seed {seed} is not in [0, 2^63)")


@functools.cache
def _module(name: str) -> ModuleType:
    """Return a module of this package, loaded at its first use."""
    return importlib.import_module(f"zobench.core.noise.{name}")


def _triton_serves(device_type: str) -> bool:
    return device_type == "cuda" and _has_triton()


@functools.cache
def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None
