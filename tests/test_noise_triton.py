"""Noise on the GPU: the Triton kernel gives the bits of the CPU's, which test_noise.py checks.

With a GPU the kernel runs there; without one Triton interprets it, with CPU tensors.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

GPU = torch.cuda.is_available()
if not GPU:
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before Triton is imported, here or elsewhere
triton = pytest.importorskip("triton")
import triton.language as tl

from zobench.core.noise import interface as noise
from zobench.core.noise.layout import BITS_CHUNK, BYTES_CHUNK, CHUNK, LANES
from zobench.core.noise.stored import store
from zobench.errors import BadInput

cuda = pytest.importorskip("zobench.core.noise.cuda")

DEVICE = torch.device("cuda" if GPU else "cpu")
PLACES = str(Path(noise.__file__).parents[3]), str(Path(__file__).parent)  # of what is imported
LAWS = noise.LAWS
NORMAL = ("gaussian", "hadamard")  # with fused operations, which the interpreter may round twice
TYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
HALVES = [torch.float16, torch.bfloat16]
GUARD = 64  # elements on both sides of a slice, to be left alone; keeps an origin aligned


@triton.jit
def fused(out):
    x = tl.load(out)
    tl.store(out, tl.fma(x, x, -1.0))


@pytest.fixture(scope="session")
def gaussian_error() -> float:
    """0 where `fma` rounds once, as GPUs do and the interpreter since Triton 3.9."""
    x = torch.full((1,), 1 + 2.0**-12, device=DEVICE)
    fused[(1,)](x)
    return 0.0 if x.item() == 2.0**-11 + 2.0**-24 else 1e-5


def begin(size: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.linspace(-1, 1, size, dtype=torch.float64).to(dtype)


def same(got: torch.Tensor, want: torch.Tensor, error: float = 0.0) -> bool:
    """Equal bits, or for an `error` values that near."""
    if not error:
        return torch.equal(got, want)
    return torch.allclose(got.double(), want.double(), rtol=0.01, atol=error)


def on_cpu(out, terms, law, block=0, stream=0, start=0, stochastic_seed=None) -> torch.Tensor:
    """What is right: the CPU kernel's bits."""
    if out.dtype == torch.bfloat16 and stochastic_seed is None and not GPU:
        wide = out.float()  # the interpreter cuts to bfloat16 where a GPU rounds to nearest
        noise.accumulate(wide, terms, law, block, stream, start)
        return (wide.view(torch.int32) >> 16).to(torch.int16).view(torch.bfloat16)
    out = out.clone()
    noise.accumulate(out, terms, law, block, stream, start, stochastic_seed=stochastic_seed)
    return out


def on_gpu(out, terms, law, block=0, stream=0, start=0, stochastic_seed=None) -> torch.Tensor:
    """The Triton kernel's, into a slice of a larger tensor that is otherwise left alone."""
    edge = torch.full((GUARD,), 7, dtype=out.dtype)
    whole = torch.cat([edge, out, edge]).to(DEVICE)
    part = whole[GUARD : GUARD + len(out)]
    cuda.accumulate(part, terms, law, block, stream, start, stochastic_seed)
    whole = whole.cpu()
    assert (whole[:GUARD] == 7).all()
    assert (whole[GUARD + len(out) :] == 7).all()
    return whole[GUARD : GUARD + len(out)]


TERMS = [(0.3, 5), (-1.7, 2**62 + 3)]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("stochastic_seed", [None, 2**63 - 1])
@pytest.mark.parametrize(("start", "size"), [(0, 2 * CHUNK + 9), (CHUNK - 33, 99)])
def test_bits_are_the_cpus(law, dtype, stochastic_seed, start, size, gaussian_error):
    run = (TERMS, law, 2**32 - 1, 2**32 - 2, start, stochastic_seed)
    error = gaussian_error if law in NORMAL else 0.0
    assert same(on_gpu(begin(size, dtype), *run), on_cpu(begin(size, dtype), *run), error)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_one_term_into_a_tile_without_masks(law, dtype, gaussian_error):
    """More than the largest tile of the law: a whole one, and the ends of those beside it."""
    one = {"rademacher": BITS_CHUNK, "hadamard": BYTES_CHUNK}.get(law, CHUNK)
    size = one * (2 if dtype == torch.float32 else 4)  # a tile: 128 threads of 16 bytes and 4 words
    out = begin(size + 24, dtype)
    run = ([(0.3, 5)], law, 3, 1, size - 8)
    assert same(on_gpu(out, *run), on_cpu(out, *run), gaussian_error * (law in NORMAL))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("dtype", "stochastic_seed"), [(torch.float32, None), (torch.float16, 3)])
@pytest.mark.parametrize("width", [6, CHUNK + 476])
def test_rows_of_a_table_are_the_cpus(law, dtype, stochastic_seed, width, gaussian_error):
    """In any order and repeated; a row that is aligned or not, in one tile or in several."""
    table, terms = begin(9 * width, dtype), TERMS[: 1 + (stochastic_seed is None)]
    places = torch.tensor([8, 0, 3, 3])
    rows = table.view(9, width)[places].contiguous()
    want = on_cpu(table, terms, law, 6, 1, 0, stochastic_seed).view(9, width)[places]
    edge = torch.full((GUARD,), 7, dtype=dtype)
    whole = torch.cat([edge, rows.view(-1), edge]).to(DEVICE)
    part = whole[GUARD:-GUARD].view(4, width)
    cuda.accumulate_rows(part, places.to(DEVICE), terms, law, 6, 1, stochastic_seed)
    assert same(part.cpu(), want, gaussian_error * (law in NORMAL))
    assert (whole[:GUARD] == 7).all()
    assert (whole[-GUARD:] == 7).all()


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("size", [1, 2, LANES - 1, LANES + 1])
@pytest.mark.parametrize("start", [0, 1, LANES - 1, 2 * LANES])
def test_odd_sizes_and_offsets(law, size, start, gaussian_error):
    if law == "rademacher":
        start *= 2 * CHUNK + 1  # and bits
    run = ([(0.3, 5)], law, 0, 0, start)
    error = gaussian_error if law in NORMAL else 0.0
    out = begin(size, torch.float32)
    assert same(on_gpu(out, *run), on_cpu(out, *run), error)


@pytest.mark.parametrize(
    ("law", "start"),
    [
        ("gaussian", 2**31 - 100),
        ("uniform", 2**32 * 4 - 100),  # the counter's low word overflows
        ("uniform", 2**55),
        ("rademacher", 2**32 * 128 - 100),
        ("rademacher", 2**62 - 5),
    ],
)
@pytest.mark.parametrize("stochastic_seed", [None, 3])
def test_far_starts(law, start, stochastic_seed, gaussian_error):
    run = ([(0.3, 5)], law, 1, 0, start, stochastic_seed)
    error = gaussian_error if law in NORMAL else 0.0
    out = begin(200, torch.float16)
    assert same(on_gpu(out, *run), on_cpu(out, *run), error)


@pytest.mark.parametrize("law", ["rademacher", "uniform"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("count", [0, 1, 3, 4, 5])
def test_numbers_of_terms(law, dtype, count):
    """Up to four are arguments, more a table: same bits, also of one rounding to 16 bits."""
    terms = [(0.7 * k - 1.1, 2**k) for k in range(count)]
    out = begin(300, dtype)
    assert same(on_gpu(out, terms, law, 1), on_cpu(out, terms, law, 1))


@pytest.mark.parametrize("extra", [0, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scales_and_seeds_may_be_on_the_device(extra, dtype):
    """Mixed with numbers; on the CPU they are read. float64 scales keep their bits."""
    scales = torch.tensor([0.1, -1 / 3], dtype=torch.float64, device=DEVICE)
    seeds = torch.tensor([2**62 + 5, 9], device=DEVICE)
    third = torch.tensor(0.1, device=DEVICE)
    held = [(scales[0], seeds[0]), (0.2, seeds[1]), (scales[1], 4), (third, 7)]
    more = [(0.5, k) for k in range(extra)]
    plain = [(0.1, 2**62 + 5), (0.2, 9), (-1 / 3, 4), (float(np.float32(0.1)), 7), *more]
    out = begin(300, dtype)
    want = on_cpu(out, plain, "uniform")
    assert same(on_gpu(out, held + more, "uniform"), want)
    read = [tuple(v.cpu() if isinstance(v, torch.Tensor) else v for v in t) for t in held]
    assert same(on_cpu(out, read + more, "uniform"), want)
    assert same(on_gpu(out, read + more, "uniform"), want)


@pytest.mark.parametrize("law", ["gaussian", "rademacher"])
@pytest.mark.parametrize("stochastic_seed", [None, 5])
def test_many_tensors_at_once(law, stochastic_seed):
    """Of several types, sizes and alignments, one twice, one of no elements."""
    sizes = [300, 1, 0, 2 * CHUNK + 9, 60]
    types = [torch.float16, torch.float16, torch.float16, torch.float16, torch.float32]
    outs = [begin(size, dtype).to(DEVICE) for size, dtype in zip(sizes, types)]
    base = begin(400, torch.float16).to(DEVICE)
    outs += [base[1:300], outs[0]]
    apart = [out.clone() for out in outs[:-1]]
    apart.append(apart[0])
    blocks = [3, 1, 4, 2**32 - 1, 0, 5, 9]
    cuda.accumulate_blocks(outs, blocks, TERMS, law, 2, stochastic_seed)
    for out, block in zip(apart, blocks):
        cuda.accumulate(out, TERMS, law, block, 2, 0, stochastic_seed)
    assert all(torch.equal(a, b) for a, b in zip(outs, apart))
    assert base[0] == -1
    assert torch.equal(base[300:].cpu(), begin(400, torch.float16)[300:])


def test_blocks_through_the_interface():
    """On any device; without Triton's help on the CPU."""
    outs = [begin(size, torch.float32).to(DEVICE) for size in (40, 700)]
    want = [on_cpu(out.cpu(), TERMS, "uniform", block, 1) for out, block in zip(outs, (8, 9))]
    noise.accumulate_blocks(outs, [8, 9], TERMS, "uniform", stream=1)
    assert all(torch.equal(out.cpu(), w) for out, w in zip(outs, want))
    noise.accumulate_blocks([], [], TERMS, "uniform")
    with pytest.raises(BadInput, match="2 outs and 1 blocks"):
        noise.accumulate_blocks(outs, [8], TERMS, "uniform")
    with pytest.raises(BadInput, match="block 4294967296"):
        noise.accumulate_blocks(outs, [8, 2**32], TERMS, "uniform")


@pytest.mark.parametrize("dtype", HALVES)
def test_stochastic_rounding_follows_the_rule_everywhere(dtype):
    """Over the range of the type and past it, with small steps about zero."""
    exponents = torch.arange(-30, 17, dtype=torch.float64)
    values = torch.cat([sign * 1.37 * 2**exponents for sign in (-1, 1)]).repeat(7)
    out = values.to(dtype)
    run = ([(3e-8, 1), (1e-3, 2)], "uniform", 0, 0, 0, 11)
    assert same(on_gpu(out, *run).view(torch.int16), on_cpu(out, *run).view(torch.int16))
    wild = torch.tensor([torch.inf, -torch.inf, torch.nan, torch.finfo(dtype).max], dtype=dtype)
    run = ([(1e30, 1)], "uniform", 0, 0, 0, 11)
    got, want = on_gpu(wild, *run), on_cpu(wild, *run)
    assert torch.equal(got[[0, 1, 3]], want[[0, 1, 3]])
    assert got[2].isnan()


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("size", [0, 1, 1024, 3000])
def test_values_made_elsewhere_get_the_cpus_bits(dtype, size):
    """At all exponents; whatever lies beside them is left alone."""
    exponents = torch.arange(size) % 50 - 32.0
    values = torch.linspace(-2, 2, size) * 2**exponents
    if size > 4:
        values[:4] = torch.tensor([torch.inf, -torch.inf, -0.0, 3e38])
    uniforms = torch.zeros(size)
    noise.accumulate(uniforms, [(1.0, 11)], "uniform", 3, noise.ROUNDING, 5)
    want = torch.zeros(size, dtype=dtype)
    store(want, values, 3, 5, 11)
    whole = torch.full((size + 2 * GUARD,), 7, dtype=dtype, device=DEVICE)
    cuda.store(whole[GUARD : GUARD + size], values.to(DEVICE), uniforms.to(DEVICE))
    got = whole.cpu()
    assert torch.equal(got[GUARD : GUARD + size].view(torch.int16), want.view(torch.int16))
    assert (got[:GUARD] == 7).all()
    assert (got[GUARD + size :] == 7).all()


def test_words_of_zero_radius_and_largest_radius(gaussian_error):
    """Extremes of Box-Muller, one element in 2^24 each, made by hand."""
    ends = torch.tensor([0, 1, 2**23, 2**24 - 2, 2**24 - 1], dtype=torch.int64)
    first, second = ends.repeat_interleave(5) << 8, ends.repeat(5) << 8
    padded = [torch.nn.functional.pad(w, (0, 7)).to(torch.uint32) for w in (first, second)]
    from zobench.core.noise import draw

    words = np.zeros(CHUNK, np.uint32)
    words[:32], words[LANES : LANES + 32] = (w.numpy() for w in padded)
    draw.normals(words, 0, 32)
    out = torch.empty(64, device=DEVICE)
    normals_of[(1,)](*(w.view(torch.int32).to(DEVICE) for w in padded), out, enable_fp_fusion=False)
    want = torch.from_numpy(np.concatenate([words[:32], words[LANES : LANES + 32]]).view(np.int32))
    if gaussian_error:
        assert torch.allclose(out.cpu(), want.view(torch.float32), atol=gaussian_error)
    else:
        assert torch.equal(out.cpu(), want.view(torch.float32))


@triton.jit
def normals_of(first, second, out):
    i = tl.arange(0, 32)
    a = tl.load(first + i).to(tl.uint32, bitcast=True)
    b = tl.load(second + i).to(tl.uint32, bitcast=True)
    x, y = cuda_draw.normals(a, b)
    tl.store(out + i, x)
    tl.store(out + 32 + i, y)


from zobench.core.noise import cuda_draw

BAD = [
    (lambda: bad(torch.zeros(2, 2)), r"not one of shape \(2, 2\)"),
    (lambda: bad(torch.zeros(4)[::2]), "contiguous 1-D tensor"),
    (lambda: bad(torch.zeros(4, dtype=torch.int32)), "not torch.int32"),
    (lambda: bad(scale=torch.ones(2)), r"scale is one floating-point number.* shape \(2,\)"),
    (lambda: bad(scale=torch.tensor(1)), "scale is one floating-point number, not torch.int64"),
    (lambda: bad(seed=torch.tensor(1.0)), "seed is one int64 number, not torch.float32"),
    (lambda: bad(scale=torch.ones((), device="meta")), "a scale or seed is on meta"),
]


def bad(out=None, scale=1.0, seed=1):
    out = (torch.zeros(4) if out is None else out).to(DEVICE)
    cuda.accumulate(out, [(scale, seed)], "uniform", 0, 0, 0, None)


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_gives_one_clear_line(call, message):
    with pytest.raises(BadInput, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_cuda_is_served_and_loads_late():
    code = """
        import sys
        from zobench.core.noise import interface as noise
        assert noise.serves("cuda") and noise.serves("cpu") and not noise.serves("meta")
        assert not {"torch", "triton", "numba"} & set(sys.modules)
    """
    python(code)


def test_the_kernel_compiles_for_an_h200_with_wide_loads(tmp_path):
    """What a launch would compile, without the GPU: no spills, no traffic between threads."""
    code = """
        import torch
        from triton_tools import compiling
        from zobench.core.noise import cuda

        made = compiling(90)
        for dtype in (torch.float16, torch.bfloat16):
            cuda.store(torch.zeros(9000, dtype=dtype), torch.zeros(9000), torch.zeros(9000))
            assert "convert_layout" not in made.pop().asm["ttgir"]
        for dtype, law in ((torch.float32, "gaussian"), (torch.float64, "rademacher")):
            out = torch.zeros(9000, dtype=dtype)
            for start, terms in ((0, [(0.5, 1)]), (64, [(1.0, 2**62)]), (0, [(0.0, 0)])):
                cuda.accumulate(out, terms, law, 1, 0, start, None)
            text = made[-1].asm["ttgir"]
            assert "convert_layout" not in text, law
            assert "ld.global.v" in made[-1].asm["ptx"], law
        assert len({made[k].hash for k in range(3)}) == 1  # numbers compile nothing anew
    """
    python(code, TRITON_CACHE_DIR=str(tmp_path), TRITON_INTERPRET="0")


def python(code: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(PLACES), **environment},
    )
    assert done.returncode == 0, done.stderr
