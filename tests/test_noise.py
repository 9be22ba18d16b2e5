"""The noise: defined by `layout`, checked against `reference`, replayed in any order.

Statistical tests have fixed seeds, so they always pass or always fail; the stated false-alarm rate
is the chance that a right generator would have failed under seeds picked at random.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import textwrap
import threading
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from zobench.core.noise import draw, reference, stored, team
from zobench.core.noise import interface as noise
from zobench.core.noise.arrays import round_stochastic
from zobench.core.noise.layout import BITS_CHUNK, CHUNK, LANES
from zobench.core.noise.tensors import STAGE
from zobench.core.noise.threads import LEAST, in_slices
from zobench.errors import BadInput

GAUSSIAN_ERROR = 5e-6  # absolute, kernel against float64; observed worst 4.2e-6, at |z| = 5.9
LARGE = 2 * LEAST + 777  # enough elements for threads

# Random123's known answers for philox4x32-10: counter, key, output.
KNOWN = [
    ("00000000 " * 4, "00000000 " * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff " * 4, "ffffffff " * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        "243f6a88 85a308d3 13198a2e 03707344",  # digits of pi
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]

laws = st.sampled_from(noise.LAWS)
seeds = st.integers(0, 2**63 - 1)
words32 = st.integers(0, 2**32 - 1)
starts = st.one_of(st.integers(0, 2 * CHUNK), st.integers(0, 2 * BITS_CHUNK), st.integers(0, 2**48))
sizes = st.one_of(st.integers(0, 40), st.integers(0, 3 * CHUNK))
examples = settings(max_examples=100, deadline=None, derandomize=True, database=None)


def hexes(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


def bits(values: np.ndarray) -> np.ndarray:
    return values.view(f"u{values.itemsize}")


# --- the definition


@pytest.mark.parametrize(("counter", "key", "output"), KNOWN)
def test_reference_gives_the_known_answers(counter, key, output):
    low, high = hexes(key)
    got = reference.philox(np.array(hexes(counter))[:, None], (low, high))
    assert got[:, 0].tolist() == hexes(output)


@pytest.mark.parametrize(("counter", "key", "output"), KNOWN)
def test_kernel_gives_the_known_answers(counter, key, output):
    low, high, block, stream = hexes(counter)
    seed = np.array(hexes(key), np.uint32).view(np.int64)[0]  # all ones is -1 to the kernel
    chunk, lane = divmod(low + (high << 32), LANES)
    words = np.zeros(CHUNK, np.uint32)
    draw.philox(words, int(seed), block, stream, chunk, 0, LANES)
    assert words[lane::LANES].tolist() == hexes(output)


@examples
@given(laws, seeds, words32, words32, starts, sizes)
@example("gaussian", 3, 0, 0, 2**32 * 4 - 700, 2000)  # the counter's low word overflows
@example("rademacher", 3, 0, 0, 2**32 * 128 - 700, 2000)
@example("rademacher", 3, 0, 0, BITS_CHUNK - 5, 2 * BITS_CHUNK + 11)
@example("uniform", 2**63 - 1, 2**32 - 1, 2**32 - 1, 2**40 - 3, 9)
def test_kernels_agree_with_the_reference(law, seed, block, stream, start, size):
    want = reference.values(law, seed, block, stream, start, start + size)
    got = noise.values(law, seed, block, stream, start, start + size)
    assert got.dtype == want.dtype == np.float32
    bound = GAUSSIAN_ERROR if law == "gaussian" else 0.0  # the others: to the bit
    assert np.abs(got - want).max(initial=0.0) <= bound


def test_gaussian_is_accurate_for_every_radius_and_angle():
    """All 2^24 radii and angles in 2^16 steps, and the extremes of each with all of the other."""
    coarse = np.arange(0, 2**24, 257, dtype=np.uint32)
    ends = np.array([0, 1, 2**23, 2**24 - 2, 2**24 - 1], np.uint32)
    first = np.concatenate([np.repeat(ends, len(coarse)), np.tile(coarse, len(ends))])
    second = np.concatenate([np.tile(coarse, len(ends)), np.repeat(ends, len(coarse))])
    worst = largest = 0.0
    words = np.zeros(CHUNK, np.uint32)
    for at in range(0, len(first) - LANES, LANES):
        a, b = first[at : at + LANES], second[at : at + LANES]
        words[:LANES], words[LANES : 2 * LANES] = a << 8, b << 8
        draw.normals(words, 0, LANES)
        u = ((a.astype(np.float32) + np.float32(0.5)) * np.float32(2**-24)).astype(np.float64)
        radius, angle = np.sqrt(-2 * np.log(u)), 2 * np.pi * (b * 2.0**-24 - 0.5)
        want = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
        got = words[: 2 * LANES].view(np.float32)
        worst = max(worst, np.abs(got - want).max())
        largest = max(largest, np.abs(got).max())
    assert worst <= GAUSSIAN_ERROR
    assert 5.88 < largest < 5.89


@pytest.mark.parametrize(
    ("law", "digest"),
    [
        ("gaussian", "e4152d583369897f"),
        ("rademacher", "edefb69befff2741"),
        ("uniform", "63a7682c13f1eda5"),
        ("hadamard", "00c829dc355115e1"),
    ],
)
def test_streams_never_change(law, digest):
    """Recorded bits: a release that changes a stream changes every result that names a seed.

    The same on AVX-512, AVX2 and plain SSE2 code, since kernels use exact IEEE operations only.
    """
    values = noise.values(law, 20240607, 3, noise.DIRECTION, 777, 777 + 200000)
    assert hashlib.sha256(values.tobytes()).hexdigest()[:16] == digest


# --- replay


@examples
@given(laws, seeds, starts, sizes, st.data())
def test_any_slice_replays_alone(law, seed, start, size, data):
    first = data.draw(st.integers(0, size))
    last = data.draw(st.integers(first, size))
    whole = noise.values(law, seed, 7, noise.DIRECTION, start, start + size)
    part = noise.values(law, seed, 7, noise.DIRECTION, start + first, start + last)
    assert np.array_equal(bits(part), bits(whole[first:last]))


@pytest.mark.parametrize("law", noise.LAWS)
def test_slices_at_every_edge_replay_alone(law):
    """Starts and stops within two elements of the edges of rows and chunks."""
    whole = noise.values(law, 8, 0, noise.DIRECTION, 0, BITS_CHUNK + 3 * CHUNK)
    edges = [*range(0, 2 * CHUNK + 1, LANES), BITS_CHUNK - LANES, BITS_CHUNK, BITS_CHUNK + LANES]
    near = sorted({max(edge + k, 0) for edge in edges for k in (-2, -1, 0, 1, 2)})
    for start in near:
        for stop in (s for s in near if start < s <= start + 2 * CHUNK):
            part = noise.values(law, 8, 0, noise.DIRECTION, start, stop)
            assert np.array_equal(bits(part), bits(whole[start:stop])), (start, stop)


@examples
@given(
    laws,
    st.lists(st.tuples(st.floats(-3, 3), seeds), max_size=4),
    starts,
    sizes,
    st.sampled_from([np.float32, np.float64]),
)
def test_terms_add_up_in_the_array_type(law, terms, start, size, dtype):
    """Many terms give the bits of one call each, and what the reference says to rounding."""
    begin = np.linspace(-1, 1, size).astype(dtype)
    once, apart, want = begin.copy(), begin.copy(), begin.astype(np.float64)
    noise.accumulate(once, terms, law, 5, noise.MASK, start)
    for scale, seed in terms:
        noise.accumulate(apart, [(scale, seed)], law, 5, noise.MASK, start)
        want += scale * reference.values(law, seed, 5, noise.MASK, start, start + size)
    assert np.array_equal(bits(once), bits(apart))
    rounding = 4e-7 * sum(10 * abs(scale) + 1 for scale, _ in terms)
    draws = GAUSSIAN_ERROR * sum(abs(scale) for scale, _ in terms)
    assert np.abs(once - want).max(initial=0.0) <= draws + rounding * (dtype == np.float32) + 1e-12


@examples
@given(
    laws,
    st.lists(st.tuples(st.floats(-3, 3), st.sampled_from([1, 2, 2**62])), max_size=6),
    starts,
    sizes,
    st.booleans(),
)
def test_rows_are_accumulates(law, probes, start, size, strided):
    """Also for equal seeds side by side, which are drawn once, and for columns of wider points."""
    wide = np.ones((len(probes), size + 3 * strided))
    points = wide[:, 1 : size + 1] if strided else wide
    want = points.copy()
    noise.rows(points, [s for s, _ in probes], law, [k for _, k in probes], 4, start=start)
    for row, term in zip(want, probes):
        noise.accumulate(row, [term], law, 4, start=start)
    assert np.array_equal(points, want)
    if strided:
        assert (wide[:, 0] == 1).all()
        assert (wide[:, size + 1 :] == 1).all()


@pytest.mark.parametrize("law", noise.LAWS)
@pytest.mark.parametrize("size", [0, 1, 10, 300, CHUNK + 7, BITS_CHUNK + CHUNK + 7])
def test_the_unchecked_calls_are_accumulates(law, size):
    x = np.linspace(-1, 1, size)
    scales, seed = (0.3, -0.7), 2**63 - 1
    points, one, want = np.full((2, size), np.nan), x.copy(), np.stack([x, x])
    borders = np.array([0, size // 3, size // 3, size])  # the middle block is empty
    for row, scale in zip(want, scales):
        for block, (first, last) in enumerate(pairwise(borders)):
            noise.accumulate(row[first:last], [(scale, seed)], law, block)
    noise.pair(points, x, *scales, law, seed, borders)
    noise.accumulate_one(one, scales[1], law, seed, 5)
    assert np.array_equal(points, want)
    noise.accumulate(x, [(scales[1], seed)], law, 5)
    assert np.array_equal(one, x)


@pytest.mark.parametrize("law", noise.LAWS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("stochastic_seed", [None, 9])
def test_threads_do_not_change_bits(law, dtype, stochastic_seed):
    results = []
    for threads in (1, 2, 3):
        out = torch.linspace(-1, 1, LARGE, dtype=torch.float64).to(dtype)
        noise.accumulate(
            out, [(0.01, 1), (-2.0, 2)], law, 0, 0, 99, threads, stochastic_seed=stochastic_seed
        )
        results.append(out)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_slices_cover_the_block_on_several_threads():
    seen, names = np.zeros(10 * LEAST + 3, np.int8), set()
    meet = threading.Barrier(2)  # opens when two threads are at work at once

    def work(first, last):
        seen[first:last] += 1
        if len(names) < 2:
            meet.wait(10)
        names.add(threading.current_thread().name)

    in_slices(work, 2 * LEAST, 2)
    assert len(names) == 2
    in_slices(work, seen.size, 2)
    assert seen[: 2 * LEAST].min() == 2
    assert seen[2 * LEAST :].min() == seen[2 * LEAST :].max() == 1


def test_an_exception_of_a_slice_is_raised():
    def work(first, last):
        if first:
            raise KeyError(first)

    with pytest.raises(KeyError):
        in_slices(work, 4 * LEAST, 2)


# --- statistics

MANY = 1_000_000


@pytest.mark.parametrize(
    ("law", "moments"),
    [  # order, expectation, variance of the power
        ("gaussian", [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)]),
        ("rademacher", [(1, 0, 1)]),
        ("uniform", [(1, 1 / 2, 1 / 12), (2, 1 / 3, 4 / 45), (4, 1 / 5, 16 / 225)]),
    ],
)
def test_moments(law, moments):
    """Within 5 standard errors: false-alarm rate 6e-7 a moment."""
    z = noise.values(law, 31, 2, noise.DIRECTION, 5, 5 + MANY).astype(np.float64)
    for order, expectation, variance in moments:
        assert abs(np.mean(z**order) - expectation) < 5 * np.sqrt(variance / MANY)


@pytest.mark.parametrize(
    ("law", "distribution"), [("gaussian", stats.norm), ("uniform", stats.uniform)]
)
@pytest.mark.parametrize("seed", [0, 1, 2**62])
def test_distribution(law, distribution, seed):
    """Kolmogorov-Smirnov, false-alarm rate 1e-5."""
    z = noise.values(law, seed, 0, noise.DIRECTION, 0, 200_000)
    assert stats.kstest(z, distribution.cdf).pvalue > 1e-5


OTHERS = [
    (6, 0, 0, 0),
    (5 + 2**32, 0, 0, 0),
    (5, 1, 0, 0),
    (5, 0, 1, 0),
    (0, 5, 0, 0),
    (0, 0, 5, 0),
]
LAGS = [(5, 0, 0, lag) for lag in (1, 2, LANES, 2 * LANES, CHUNK, BITS_CHUNK)]


@pytest.mark.parametrize("law", ["gaussian", "rademacher"])
@pytest.mark.parametrize("other", OTHERS + LAGS)
def test_streams_are_uncorrelated(law, other):
    """Near seeds, blocks, streams; swapped tags; lags. Values and squares: rate 6e-7 each."""
    seed, block, stream, lag = other
    a = noise.values(law, 5, 0, 0, 0, MANY).astype(np.float64)
    b = noise.values(law, seed, block, stream, lag, lag + MANY).astype(np.float64)
    assert abs(np.mean(a * b)) * np.sqrt(MANY) < 5
    assert abs(np.mean((a**2 - 1) * (b**2 - 1)) / 2) * np.sqrt(MANY) < 5


def test_rademacher_bits_are_independent_across_positions():
    """All 32 bits of a word against each other: 496 correlations, false-alarm rate 3e-4 in all."""
    z = noise.values("rademacher", 5, 0, 0, 0, 16 * BITS_CHUNK).reshape(16, 32, CHUNK)
    rows = z.transpose(1, 0, 2).reshape(32, -1)
    correlation = rows @ rows.T / rows.shape[1]
    assert np.abs(correlation - np.eye(32)).max() * np.sqrt(rows.shape[1]) < 5


# --- 16 bits

HALVES = [torch.float16, torch.bfloat16]


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("size", [0, 1, 1023, STAGE, 2 * STAGE + 5])
def test_sixteen_bits_are_summed_in_float32_and_rounded_once(dtype, size):
    out = torch.linspace(-2, 2, size).to(dtype)
    exact = out.float()
    terms = [(1e-3, 1), (0.5, 2), (-0.5, 3)]
    noise.accumulate(exact, terms, "gaussian", 3, start=11)
    noise.accumulate(out, terms, "gaussian", 3, start=11)
    assert torch.equal(out, exact.to(dtype))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("stochastic_seed", [None, 4])
def test_a_slice_of_sixteen_bits_replays_alone(dtype, stochastic_seed):
    whole = torch.linspace(-2, 2, 2 * STAGE + 99).to(dtype)
    parts = whole.clone()
    terms = [(1e-3, 1), (0.5, 2)]
    noise.accumulate(whole, terms, "gaussian", 3, stochastic_seed=stochastic_seed)
    for first, last in ((0, 7), (7, STAGE + 1), (STAGE + 1, len(parts))):
        part = parts[first:last]
        noise.accumulate(part, terms, "gaussian", 3, start=first, stochastic_seed=stochastic_seed)
    assert torch.equal(whole, parts)


def bits_of(dtype: torch.dtype) -> type:
    """The type of NumPy by which kernels take the bits of a 16-bit type."""
    return np.int16 if dtype == torch.float16 else np.uint16


def all_values(dtype: torch.dtype) -> torch.Tensor:
    """Every finite value of a 16-bit type."""
    values = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(dtype)
    return values[values.isfinite()]


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("uniform", [0.0, 1 - 2.0**-24])
def test_stochastic_rounding_keeps_what_is_exact(dtype, uniform):
    values = all_values(dtype)
    out = np.empty(len(values), bits_of(dtype))
    uniforms = np.full(len(values), uniform, np.float32)
    round_stochastic(out, values.float().numpy(), uniforms)
    assert np.array_equal(out, values.view(torch.int16).numpy().view(out.dtype))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("share", [2**-11, 0.1, 0.5, 0.93])
@pytest.mark.parametrize("lower", [0.0, 2.0**-24, 3.0517578125e-05, 1.0, 1.9921875, 1000.0])
def test_stochastic_rounding_is_unbiased(dtype, sign, share, lower):
    """Goes to the two neighbours alone, up by the share of the step: 5 standard errors, 6e-7."""
    if lower == 0.0 and dtype == torch.bfloat16:
        lower = 2.0**-126  # bfloat16 has the range of float32, whose subnormals hold no finer step
    low = torch.tensor(lower, dtype=dtype)
    high = (low.view(torch.int16) + 1).view(dtype)
    step = high.double() - low.double()
    x = np.float32(sign * (low.double() + share * step).item())
    share = float((abs(np.float64(x)) - low.double()) / step)  # as float32 holds it
    count = 200_000
    out = np.empty(count, bits_of(dtype))
    uniforms = noise.values("uniform", 17, 0, noise.ROUNDING, 0, count)
    round_stochastic(out, np.full(count, x), uniforms)
    got = sign * torch.from_numpy(out.view(np.int16)).view(dtype).double().numpy()
    up = got == high.item()
    assert (up | (got == low.item())).all()
    assert abs(up.mean() - share) < 5 * np.sqrt(share * (1 - share) / count)


@pytest.mark.parametrize("dtype", HALVES)
def test_stochastic_rounding_leaves_the_range_as_ieee_does(dtype):
    top = torch.finfo(dtype).max
    values = np.array([np.inf, -np.inf, np.nan, top, -top, 3e38, -1e-45, 0.0], np.float32)
    out = np.empty(len(values), bits_of(dtype))
    round_stochastic(out, values, np.full(len(values), 0.5, np.float32))
    got = torch.from_numpy(out.view(np.int16)).view(dtype)
    assert got[:2].tolist() == [np.inf, -np.inf]
    assert got[2].isnan()
    assert got[3:5].tolist() == [top, -top]
    assert got[5] == (np.inf if dtype == torch.float16 else torch.tensor(3e38, dtype=dtype))
    assert got[6:].tolist() == [0.0, 0.0]


def test_small_moves_survive_stochastic_rounding_alone():
    """100 moves of at most 1/40 step: to nearest none; else 1.25 steps on average (5 errors)."""
    step, count = 2.0**-7, 20_000
    nearest, stochastic = torch.ones(2, count, dtype=torch.bfloat16)
    for seed in range(100):
        terms = [(step / 40, seed)]
        noise.accumulate(nearest, terms, "uniform", 0)
        noise.accumulate(stochastic, terms, "uniform", 0, stochastic_seed=seed)
    assert nearest.eq(1).all()
    steps = (stochastic.double() - 1) / step
    assert abs(steps.mean() - 1.25) < 5 * np.sqrt(1.25 / count)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("seed", [None, 2**63 - 1])
def test_values_made_elsewhere_are_rounded_as_sums_of_noise_are(dtype, seed):
    """To the same bits, slice by slice and row by row."""
    width, start = 9, 1000
    begun = torch.linspace(-1, 1, 300 * width).to(dtype)
    want, sums = begun.clone(), begun.float()
    for out, more in ((want, {"stochastic_seed": seed}), (sums, {})):
        noise.accumulate(out, [(1e-3, 5)], "gaussian", 7, start=start, **more)
    got = begun.clone()
    for a, b in ((0, 1), (1, 1300), (1300, len(got))):
        stored.store(got[a:b], sums[a:b], 7, start + a, seed)
    assert torch.equal(got, want)
    places = torch.tensor([8, 0, 299, 8])
    table, rows = torch.empty_like(begun), sums.view(-1, width)[places]
    stored.store(table, sums, 7, 0, seed)
    some = torch.empty(4, width, dtype=dtype)
    stored.store_rows(some, rows, places, 7, seed)
    assert torch.equal(some, table.view(-1, width)[places])
    wide = torch.empty(len(sums), dtype=torch.float64)
    stored.store(wide, sums, 7, 0, seed)
    assert torch.equal(wide, sums.double())


# --- what it leaves alone, and what it refuses


def test_global_generators_are_untouched():
    before = random.getstate(), repr(np.random.get_state()), torch.get_rng_state()  # noqa: NPY002
    out = torch.zeros(5000, dtype=torch.bfloat16)
    for law in noise.LAWS:
        noise.accumulate(out, [(1.0, 3)], law, 0, stochastic_seed=1)
        noise.rows(np.zeros((2, 9)), [1.0, -1.0], law, [3, 3], 0)
    assert random.getstate() == before[0]
    assert repr(np.random.get_state()) == before[1]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_a_large_block_needs_small_memory(dtype):
    """NumPy's part: two stages a thread at most. Kernels hold 4 KiB, torch copies in place."""
    out = torch.zeros(8 * LEAST, dtype=dtype)
    run = [(out, [(1.0, 1), (2.0, 2)], "gaussian", 0, 0, 0, 2, 5)]
    noise.accumulate(*run[0])
    tracemalloc.start()
    noise.accumulate(*run[0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 4 * STAGE + 50_000
    assert peak < out.nbytes / 3


def test_parameters_that_require_gradients_move_in_place():
    weight = torch.nn.Parameter(torch.zeros(30))
    noise.accumulate(weight, [(2.0, 3)], "rademacher", 0)
    assert weight.detach().abs().eq(2).all()
    assert weight.grad_fn is None


BAD = [
    (lambda: values(law="gausian"), "no law named 'gausian'; did you mean"),
    (lambda: values(seed=-1), r"seed -1 is not in \[0, 2\^63\)"),
    (lambda: values(seed=2**63), "seed 9223372036854775808"),
    (lambda: values(block=2**32), "block 4294967296"),
    (lambda: values(stream=-1), "stream -1"),
    (lambda: values(start=-2), "start -2 is negative"),
    (lambda: add(np.zeros(4, np.int64)), "not 1-D int64"),
    (lambda: add(np.zeros(4)[::2]), "not 1-D float64, strided"),
    (lambda: add(np.zeros((2, 2))), "not 2-D float64"),
    (lambda: add(np.broadcast_to(np.float64(1), 1)), "not 1-D float64, read-only"),
    (lambda: add([0.0, 0.0]), "not list"),
    (lambda: add(torch.zeros(2, 2)), r"not one of shape \(2, 2\)"),
    (lambda: add(torch.zeros(4)[::2]), "contiguous 1-D tensor"),
    (lambda: add(torch.zeros(4, dtype=torch.int32)), "not torch.int32"),
    (lambda: add(torch.zeros(4, device="meta")), "on device 'meta'; there is noise on: cpu"),
    (lambda: add(torch.zeros(4).half(), stochastic_seed=-1), "seed -1"),
    (lambda: rows(np.zeros((2, 3))), "2 points, 1 scales and 1 seeds"),
    (lambda: rows(np.zeros((1, 3), np.float32)), "2-D array of float64, not 2-D float32"),
    (lambda: rows(np.zeros((1, 3)), seed=2**63), "seed 9223372036854775808"),
]


def values(law="uniform", seed=0, block=0, stream=0, start=0):
    noise.values(law, seed, block, stream, start, 1)


def rows(points, seed=1):
    noise.rows(points, [1.0], "uniform", [seed], 0)


def add(out, stochastic_seed=None):
    noise.accumulate(out, [(1.0, 1)], "gaussian", 0, stochastic_seed=stochastic_seed)


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_gives_one_clear_line(call, message):
    with pytest.raises(BadInput, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_registered_backend_serves_its_device(monkeypatch):
    calls = []
    monkeypatch.setattr(noise, "_backends", {})
    noise.register_backend("meta", lambda *arguments: calls.append(arguments))
    out = torch.zeros(4, device="meta")
    noise.accumulate(out, [(1.0, 2)], "gaussian", 3, noise.MASK, 5, stochastic_seed=6)
    assert calls == [(out, [(1.0, 2)], "gaussian", 3, noise.MASK, 5, 6)]


def test_a_registered_backend_draws_what_values_are_rounded_by(monkeypatch):
    """By way of the host, to the bits of the CPU."""
    values, calls = torch.linspace(-1, 1, 500), []

    def backend(out, terms, law, *rest):
        calls.append(rest)
        noise._module("tensors").accumulate(out, terms, noise.LAWS.index(law), *rest[:3], 1, None)

    want, got = torch.empty(2, 500, dtype=torch.bfloat16)
    stored.store(want, values, 3, 5, 6)
    monkeypatch.setattr(noise, "_backends", {"cpu": backend})
    stored.store(got, values, 3, 5, 6)
    assert calls == [(3, noise.ROUNDING, 5, None)]
    assert torch.equal(got, want)


# --- processes


def python(code: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(Path(noise.__file__).parents[3]), **environment},
    )
    assert done.returncode == 0, done.stderr


def test_heavy_packages_load_at_first_use_and_children_can_use_threads():
    python(f"""
        import os, sys
        import numpy as np
        from zobench.core.noise import interface as noise
        assert not {{"numba", "torch"}} & set(sys.modules)
        out = np.zeros({LARGE}, np.float32)
        noise.accumulate(out, [(1.0, 1)], "rademacher", 0, threads=2)
        assert "torch" not in sys.modules
        import warnings
        warnings.simplefilter("ignore")  # newer Pythons warn of a fork beside threads
        child = os.fork()
        if child == 0:  # the child has no threads yet: a pool of the parent would never answer
            noise.accumulate(out, [(1.0, 1)], "rademacher", 0, threads=2)
            os._exit(0 if (np.abs(out) == 2).all() else 1)
        assert os.waitpid(child, 0)[1] == 0
    """)


def test_a_forked_child_computes_beside_torchs_threads():
    """OpenMP's threads are not there in the child, and to ask for them would be to wait forever."""
    python(f"""
        import os, warnings
        import numpy as np, torch
        from zobench.core.noise import interface as noise
        warnings.simplefilter("ignore")
        torch.set_num_threads(2)
        out = torch.zeros({LARGE})
        noise.accumulate(out, [(1.0, 1)], "rademacher", 0, threads=2)
        child = os.fork()
        if child == 0:
            noise.accumulate(out, [(1.0, 1)], "rademacher", 0, threads=2)
            os._exit(0 if (out.numpy() ** 2 == 4).all() else 1)
        assert os.waitpid(child, 0)[1] == 0
    """)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("torchs", [True, False])
def test_blocks_of_all_sizes_are_shared_out_over_threads(threads, torchs, monkeypatch):
    """In one job: float32 and float64, 16 bits apart, each element written once."""
    if not torchs:
        monkeypatch.setattr(team, "_torchs", lambda: None)
    sizes, types = (1, LARGE, 0, 256, 70_001), (torch.float32, torch.float64, torch.bfloat16)
    outs = [torch.zeros(size, dtype=dtype) for dtype in types for size in sizes]
    blocks, terms = range(10, 10 + len(outs)), [(0.5, 1), (2.0, 2)]
    noise.accumulate_blocks(outs, blocks, terms, "gaussian", threads=threads)
    for out, block in zip(outs, blocks):
        want = torch.zeros_like(out)
        noise.accumulate(want, terms, "gaussian", block)
        assert torch.equal(out, want)
