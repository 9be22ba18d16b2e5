"""Perturbed copies in one pass: the bits of the weights that move and of copies that are moved."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zobench.core.noise import interface as noise
from zobench.core.noise.copies import PerturbedPair, perturbed_pair
from zobench.core.noise.layout import BITS_CHUNK, BYTES_CHUNK
from zobench.errors import BadInput

TYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
SCALES = (1e-2, -1e-2)


def both(dtype, law, start, size, moves, threads=1, rounding=None, scales=SCALES):
    """(weights, plus, minus) of one pass, and of three."""
    weight = torch.linspace(-1, 1, size, dtype=torch.float64).to(dtype)
    apart = weight.clone()
    one = weight, torch.full_like(weight, torch.nan), torch.full_like(weight, torch.nan)
    perturbed_pair(
        *one, scales, 7, law, 3, start=start, moves=moves, threads=threads,
        stochastic_seeds=rounding,
    )  # fmt: skip
    at, *seeds = rounding or (None, None, None)
    noise.accumulate(apart, moves, law, 3, start=start, stochastic_seed=at)
    three = [apart]
    for scale, seed in zip(scales, seeds):
        out = apart.clone()
        noise.accumulate(out, [(scale, 7)], law, 3, start=start, stochastic_seed=seed)
        three.append(out)
    return one, three


def same(one, three):
    return all(torch.equal(a, b) for a, b in zip(one, three))


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    st.sampled_from(noise.LAWS),
    st.sampled_from(TYPES),
    st.one_of(st.integers(0, 3 * BYTES_CHUNK), st.sampled_from([0, BITS_CHUNK, 2**40 - 9])),
    st.one_of(st.integers(0, 300), st.sampled_from([BYTES_CHUNK, 5 * BYTES_CHUNK + 3])),
    st.integers(0, 3),
    st.sampled_from([None, (1, 2, 3)]),
)
def test_one_pass_gives_the_bits_of_three(law, dtype, start, size, terms, rounding):
    """From any element on; the moves are none, one or several; to nearest or stochastically."""
    moves = [(0.01 * (k + 1), 100 + k) for k in range(terms)]
    assert same(*both(dtype, law, start, size, moves, 1, rounding))


@pytest.mark.parametrize("law", noise.LAWS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_bits(law, dtype, threads):
    size, moves = 11 * BITS_CHUNK + 77, [(0.1, 1), (0.2, 2)]
    assert same(*both(dtype, law, BITS_CHUNK - 5, size, moves, threads, scales=(0.3, 0.0)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("threads", [1, 2])
def test_slices_of_a_pair_have_the_bits_of_the_whole(dtype, threads):
    size, step = 3 * BITS_CHUNK + 5, BITS_CHUNK + BYTES_CHUNK
    whole = [torch.linspace(-1, 1, size).to(dtype) for _ in range(3)]
    weight, moves = whole[0].clone(), [(0.1, 9)]
    perturbed_pair(*whole, SCALES, 7, "hadamard", 3, moves=moves)
    plus, minus = torch.empty(step, dtype=dtype), torch.empty(step, dtype=dtype)
    pair = PerturbedPair(
        weight, plus, minus, SCALES, 7, "hadamard", 3, moves=moves, threads=threads
    )
    for first in range(0, size, step):
        last = min(size, first + step)
        pair.make(first, last)
        for copy, want in ((plus, whole[1]), (minus, whole[2])):
            assert torch.equal(copy[: last - first], want[first:last])
    assert torch.equal(weight, whole[0])


def test_every_nan_of_bfloat16_stays_one():
    """Rounding to nearest has no test for NaN: see `rounding.bfloat16_nearest`."""
    bits = torch.arange(0x7F81, 0x8000, dtype=torch.int32)
    weight = torch.cat([bits, bits - 0x8000]).to(torch.int16).view(torch.bfloat16)
    weight = weight.repeat(BYTES_CHUNK // len(weight) + 2)
    assert weight.isnan().all()
    plus, minus = torch.empty_like(weight), torch.empty_like(weight)
    perturbed_pair(weight, plus, minus, SCALES, 7, "hadamard", 0, moves=[(0.1, 2)])
    assert all(out.isnan().all() for out in (weight, plus, minus))


@pytest.mark.parametrize("law", ["gaussian", "hadamard"])
def test_the_kernel_itself_runs(law, monkeypatch):
    """Where it serves, no other kernel is called."""
    monkeypatch.setattr(noise, "accumulate", None)
    weight = torch.zeros(BYTES_CHUNK + 5)
    plus, minus = torch.empty_like(weight), torch.empty_like(weight)
    perturbed_pair(weight, plus, minus, SCALES, 7, law, 3, moves=[(1.0, 2)])
    assert torch.allclose(plus + minus, 2 * weight, atol=1e-6)
    assert 0.9 < weight.std() < 1.1
    assert 0.009 < (plus - weight).std() < 0.011


def test_scales_and_seeds_may_be_tensors():
    eps, seed = torch.tensor(0.5, dtype=torch.float64), torch.tensor(7)
    a, b, c = torch.zeros(3, 600)
    x, y, z = torch.zeros(3, 600)
    perturbed_pair(a, b, c, (eps, -eps), seed, "hadamard", 0, moves=[(eps, seed)])
    perturbed_pair(x, y, z, (0.5, -0.5), 7, "hadamard", 0, moves=[(0.5, 7)])
    assert same((a, b, c), (x, y, z))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"law": "gausian"}, "no law named 'gausian'"),
        ({"seed": 2**63}, "seed 9223372036854775808"),
        ({"plus": torch.zeros(3)}, r"not torch.float32, shape \(3,\)"),
        ({"minus": torch.zeros(4).half()}, "not torch.float16"),
        ({"weight": torch.zeros(8)[::2]}, "contiguous 1-D tensor"),
        ({"minus": torch.zeros(8)[::2]}, "contiguous 1-D tensor"),
        ({"start": -1}, "start -1 is negative"),
    ],
)
def test_bad_input_gives_one_clear_line(change, message):
    given = {name: torch.zeros(4) for name in ("weight", "plus", "minus")}
    given |= {"scales": SCALES, "seed": 1, "law": "gaussian", "block": 0} | change
    with pytest.raises(BadInput, match=message) as caught:
        perturbed_pair(**given)
    assert "\n" not in str(caught.value)
