"""Large synthetic objectives: closed forms, rotations, chunks, precision and size."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zobench.core.directions import Noise
from zobench.errors import BadInput
from zobench.objectives.synthetic import _basis, _profiles
from zobench.registry import objectives

CASES = [
    ("quadratic", {}),
    ("quadratic", {"exponent": 0.5, "shift": 0.7, "basis": "random"}),
    ("quadratic", {"spectrum": "rank", "rank": 4.0}),
    ("quadratic", {"spectrum": "spiked", "spikes": 5, "tail": 0.1, "basis": "random"}),
    ("quadratic", {"spectrum": "spiked", "spikes": 5, "tail": 0.0}),
    ("block-quadratic", {"blocks": 6}),
    ("block-quadratic", {"blocks": 6, "correlation": "negative", "basis": "random"}),
    ("embedded", {"intrinsic": 5}),
    ("embedded", {"intrinsic": 5, "inner": "quadratic", "basis": "subset"}),
    ("embedded", {"intrinsic": 5, "inner": "rosenbrock"}),
    ("chained-rosenbrock", {}),
    ("chained-rosenbrock", {"basis": "random"}),
    ("nonsmooth", {}),
    ("nonsmooth", {"basis": "identity"}),
    ("nonsmooth", {"kind": "max", "basis": "identity"}),
    ("nonsmooth", {"kind": "max"}),
    ("logistic", {"examples": 40}),
    ("logistic", {"examples": 200}),
]
DIM = 60


def build(name, start=1, **given):
    problem = objectives[name].build({"dim": DIM, "dtype": "float64", **given})
    problem.start(start)
    return problem


def put(problem, x):
    problem.params.flush()
    problem.x.copy_(torch.as_tensor(x))


def hessian(problem):
    """Columns H e_i, shape (dim, dim), of a quadratic."""
    best, columns = problem.optimum(), []
    for e in torch.eye(len(best), dtype=best.dtype):
        put(problem, best + e)
        columns.append(torch.cat(list(problem.gradient(0)[1])))
    return torch.stack(columns).numpy()


@pytest.mark.parametrize(("name", "given"), CASES)
def test_the_gap_is_one_at_the_start_and_zero_at_the_optimum(name, given):
    for seed in (1, 2):
        problem = build(name, seed, **given)
        assert problem.score()["gap"] == pytest.approx(1.0, abs=1e-12)
        put(problem, problem.optimum())
        assert problem.score()["gap"] == pytest.approx(0.0, abs=1e-12)
        assert problem.score()["loss"] == pytest.approx(problem.minimum, abs=1e-12)


@pytest.mark.parametrize(("name", "given"), CASES)
def test_single_precision_starts_at_gap_one_too(name, given):
    problem = build(name, **given, dtype="float32")
    assert problem.x.dtype == torch.float32
    assert problem.score()["gap"] == pytest.approx(1.0, abs=1e-5)
    assert build(name, **given, dtype="bfloat16").score()["gap"] == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(("name", "given"), CASES)
def test_gradients_match_central_differences_at_any_point(name, given):
    problem = build(name, **given)
    rng = np.random.default_rng(3)
    for scale in (0.3, 1.0):
        x = problem.optimum().numpy() + scale * rng.standard_normal(DIM)
        put(problem, x)
        exact = torch.cat(list(problem.gradient(0)[1])).numpy()
        found = []
        for e in 1e-6 * np.eye(DIM):
            put(problem, x + e)
            high = problem.loss(0)
            put(problem, x - e)
            found.append((high - problem.loss(0)) / 2e-6)
        np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-7 * np.abs(exact).max() + 1e-9)


@pytest.mark.parametrize(("name", "given"), CASES)
def test_chunks_change_nothing(name, given):
    whole, pieces = build(name, **given), build(name, **given)
    pieces.function.chunk = 7
    for problem in (whole, pieces):
        problem.start(4)
        problem.params.add(0.5, Noise(2))
        problem.params.flush()
    assert torch.equal(whole.x, pieces.x) or torch.allclose(whole.x, pieces.x, atol=1e-14)
    assert pieces.score()["loss"] == pytest.approx(whole.score()["loss"], rel=1e-12)
    for one, two in zip(whole.gradient(0)[1], pieces.gradient(0)[1]):
        assert torch.allclose(one, two, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("name", "given"), CASES)
def test_seeds_choose_the_start_and_instances_the_function(name, given):
    one, same = build(name, 1, **given), build(name, 1, **given)
    assert torch.equal(one.x, same.x)
    if "instance" in objectives[name].defaults and given.get("basis") in ("random", "subset"):
        other = build(name, 1, **given, instance=2)
        for problem in (one, other):
            put(problem, torch.linspace(-1.0, 1.0, DIM, dtype=torch.float64))
        assert other.score()["gap"] != one.score()["gap"]


# ---- bases


def dense(basis, dim, size):
    columns = [basis.point(y).clone() for y in torch.eye(size, dtype=torch.float64)]
    return torch.stack(columns, dim=1).reshape(dim, size).numpy()


@given(st.integers(1, 40), st.integers(0, 99), st.sampled_from([1, 2, 5]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_rotation_is_orthogonal(width, seed, parts, grid):
    short, _basis.SHORT = _basis.SHORT, 0 if grid else 10**6
    try:
        dim = width * parts
        basis = _basis.Rotation(dim, dim, seed, parts)
    finally:
        _basis.SHORT = short
    q = dense(basis, dim, dim)
    np.testing.assert_allclose(q.T @ q, np.eye(dim), atol=1e-12)
    x = torch.randn(dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    np.testing.assert_allclose(basis.coordinates(x).numpy(), q.T @ x.numpy(), atol=1e-12)
    for part in range(parts):  # each part in itself
        own = slice(part * width, (part + 1) * width)
        assert not np.delete(q[:, own], np.arange(dim)[own], axis=0).any()


@pytest.mark.parametrize("dim", [4096, 4097, 10_000, 65_536, 99_991])
def test_a_large_rotation_keeps_lengths_and_mixes_all(dim):
    basis = _basis.Rotation(dim, dim, 3)
    x = torch.randn(dim, generator=torch.Generator().manual_seed(1))
    y = basis.coordinates(x).clone()
    assert float(y.norm() / x.norm()) == pytest.approx(1.0, abs=1e-5)
    torch.testing.assert_close(basis.point(y), x, atol=2e-5, rtol=0)
    spike = torch.zeros(dim)
    spike[dim // 3] = 1.0
    column = basis.coordinates(spike)
    assert float(column.abs().max()) < 0.2
    effective = 1.0 / float((column.double() ** 4).sum())  # d/3 for normal, d/9 for products of two
    assert effective > dim / 20


def test_bases_of_another_seed_differ_and_a_subset_is_one():
    one, two = (_basis.Rotation(50, 50, seed) for seed in (1, 2))
    x = torch.ones(50)
    assert not torch.allclose(one.coordinates(x), two.coordinates(x))
    subset = _basis.Subset(50, 7, 1)
    p = dense(subset, 50, 7)
    np.testing.assert_array_equal(p.T @ p, np.eye(7))
    assert (p != 0).sum() == 7


# ---- spectra


@pytest.mark.parametrize("basis", ["identity", "random"])
@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({"exponent": 0.5}, np.arange(1, DIM + 1.0) ** -0.5),
        ({"exponent": 2.0, "shift": 0.3}, np.arange(1, DIM + 1.0) ** -2.0),
        (
            {"spectrum": "spiked", "spikes": 4, "tail": 0.5},
            np.r_[np.ones(4), np.full(DIM - 4, 0.5 * 4 / (DIM - 4))],
        ),
    ],
)
def test_eigenvalues_are_those_named(given, values, basis):
    problem = build("quadratic", **given, basis=basis)
    h = hessian(problem)
    np.testing.assert_allclose(h, h.T, atol=1e-12)
    np.testing.assert_allclose(np.linalg.eigvalsh(h)[::-1], values, atol=1e-12)
    assert problem.function.trace() == pytest.approx(values.sum())
    assert problem.function.norms()["frobenius"] == pytest.approx(np.linalg.norm(values))
    assert problem.function.norms()["operator"] == pytest.approx(values.max())
    assert problem.describe()["effective_rank"] == pytest.approx(values.sum())


@pytest.mark.parametrize("rank", [1.5, 7.0, 59.0, 60.0])
def test_a_rank_is_the_trace_over_the_norm(rank):
    problem = build("quadratic", spectrum="rank", rank=rank)
    assert problem.function.trace() == pytest.approx(rank, rel=1e-9)
    values = np.linalg.eigvalsh(hessian(problem))
    assert values.sum() / values.max() == pytest.approx(rank, rel=1e-9)


@given(st.integers(1, 30_000), st.floats(0.0, 8.0))
@settings(max_examples=60, deadline=None)
def test_harmonic_numbers_match_their_sums(size, p):
    direct = math.fsum((np.arange(1.0, size + 1) ** -p).tolist())
    assert _profiles.harmonic(size, p) == pytest.approx(direct, rel=1e-11)


def test_the_trace_agrees_with_hutchinson():
    problem = build("quadratic", dim=3000, exponent=0.7, basis="random")
    best, found = problem.optimum(), []
    for seed in range(200):
        put(problem, best)
        problem.params.add(1.0, Noise(seed, "rademacher"))
        found.append(2.0 * problem.score()["loss"])  # z'Hz
    error = np.std(found) / math.sqrt(len(found))
    assert abs(np.mean(found) - problem.function.trace()) < 4.0 * error
    assert error < 0.01 * problem.function.trace()


@pytest.mark.parametrize("energy", [0.0, 1.0, 2.0])
def test_the_start_shares_its_gap_as_named(energy):
    problem = build("quadratic", energy=energy, exponent=1.5)
    i = np.arange(1, DIM + 1.0)
    shares = 0.5 * i**-1.5 * problem.x.numpy() ** 2
    np.testing.assert_allclose(shares, i**-energy / (i**-energy).sum(), rtol=1e-12)
    signs = np.array([build("quadratic", seed).x.sign().numpy() for seed in range(40)])
    assert np.abs(signs.mean(axis=0)).max() < 0.7


# ---- embeddings


@pytest.mark.parametrize("inner", ["sphere", "quadratic", "rosenbrock"])
@pytest.mark.parametrize("basis", ["random", "subset"])
def test_only_the_intrinsic_subspace_matters(inner, basis):
    problem = build("embedded", intrinsic=4, inner=inner, basis=basis)
    p = dense(problem.basis, DIM, 4)
    rng = np.random.default_rng(1)
    x, z = rng.standard_normal((2, DIM))
    put(problem, x)
    value, g = problem.loss(0), torch.cat(list(problem.gradient(0)[1])).numpy()
    put(problem, x + z - p @ (p.T @ z))
    assert problem.loss(0) == pytest.approx(value, rel=1e-9)
    np.testing.assert_allclose(p @ (p.T @ g), g, atol=1e-9 * np.abs(g).max())
    assert problem.function.size == 4


# ---- layout, noise, bad input


def test_blocks_are_views_of_one_buffer():
    problem = build("quadratic", dim=24, blocks=2, matrix=True, dtype="float32")
    assert [b.shape for b in problem.params.blocks] == [(3, 4), (3, 4)]
    assert problem.describe()["groups"] == {"x0": 12, "x1": 12}
    problem.params.update(problem.params.blocks[1], torch.ones(12))
    assert float(problem.x[12:].sum()) == pytest.approx(
        float(problem.x.sum() - problem.x[:12].sum())
    )
    assert problem.params.blocks[0].tensor.data_ptr() == problem.x.data_ptr()
    facts = problem.describe()
    assert (facts["dtype"], facts["device"], facts["realisation"]) == ("float32", "cpu", "walk")


@pytest.mark.parametrize("law", ["additive", "multiplicative", "student"])
def test_noise_is_relative_to_the_gap_and_of_its_kind(law):
    d = Noise(5)
    probes = [(0.01, d), (0.01, d), (-0.01, d)]
    given = {"dim": 30, "noise": law, "noise_level": 0.1}
    for kind in ("fresh", "shared", "frozen"):
        problem = build("logistic", examples=20, **given, noise_kind=kind)
        first, again = problem.losses(probes, 1), problem.losses(probes, 1)
        other = problem.losses(probes, 2)
        errors = (np.array(first) - problem.minimum) / problem.function.span - problem.seen
        assert 0.0 < np.abs(errors).max() < 1.0
        assert problem.scored == "current"
        if kind == "frozen":  # bits of the point: the walk's restore may change the last one
            assert not problem.stochastic
            put(problem, problem.optimum())
            assert problem.loss(1) == problem.loss(2)
            continue
        np.testing.assert_allclose(again, first, rtol=1e-9)
        assert abs(other[0] - first[0]) > 1e-6
        assert (abs(first[0] - first[1]) < 1e-9) == (kind == "shared")
    clean = build("logistic", examples=20, dim=30)
    clean.losses(probes, 1)
    np.testing.assert_allclose(clean.seen, problem.seen, rtol=1e-9)
    assert clean.scored == "best"


def test_counters_follow_the_probes():
    problem = build("quadratic")
    problem.losses([(0.1, Noise(k)) for k in range(5)], 0)
    assert (problem.samples, problem.forwards) == (5, 5.0)
    problem.gradient(0)
    assert problem.forwards == 8.0


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("quadratic", {"dim": 0}, "dim"),
        ("quadratic", {"spectrum": "spike"}, "did you mean 'spiked'"),
        ("quadratic", {"spectrum": "rank", "rank": 2000.0}, "rank"),
        ("quadratic", {"spectrum": "rank", "rank": 1.0}, "rank"),
        ("quadratic", {"spectrum": "spiked", "tail": 1000.0}, "tail"),
        ("quadratic", {"exponent": -1.0}, "exponent"),
        ("quadratic", {"basis": "subset"}, "basis"),
        ("quadratic", {"dtype": "float23"}, "did you mean 'float32'"),
        ("quadratic", {"device": "abacus"}, "abacus"),
        ("quadratic", {"blocks": 1001}, "blocks"),
        ("block-quadratic", {"blocks": 7}, "994"),
        ("block-quadratic", {"correlation": "negativ"}, "did you mean 'negative'"),
        ("block-quadratic", {"spread": 20.0}, "spread"),
        ("embedded", {"intrinsic": 1000}, "dim"),
        ("embedded", {"basis": "identity"}, "basis"),
        ("embedded", {"inner": "spere"}, "did you mean 'sphere'"),
        ("chained-rosenbrock", {"dim": 1}, "dim"),
        ("nonsmooth", {"kind": "l2"}, "kind"),
        ("logistic", {"batch": 501}, "batch"),
        ("logistic", {"examples": 1}, "examples"),
        ("logistic", {"noise": "gauss"}, "noise"),
    ],
)
def test_bad_settings_give_one_line(name, given, said):
    with pytest.raises(BadInput, match=said) as error:
        objectives[name].build(given)
    assert "\n" not in str(error.value)


# ---- size

MEASURE = """
import json, sys, time, torch
from zobench.registry import objectives
torch.set_num_threads(1)
def peak():
    lines = open("/proc/self/status")
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
def reset():
    open("/proc/self/clear_refs", "w").write("5")
for name, settings in json.loads(sys.argv[1]):
    small = objectives[name].build({**settings, "dim": 200_000})
    small.start(0), small.score(), reset()
    base = peak()
    large = objectives[name].build({**settings, "dim": 2_000_000})
    large.start(0), reset()
    began = time.perf_counter()
    gap = large.score()["gap"]
    print(json.dumps([time.perf_counter() - began, (peak() - base) / 2e6, gap]))
    del small, large
"""
LARGE = [  # with the number of float32 vectors that may exist
    ("quadratic", {"shift": 1.0}, 1),
    ("quadratic", {"basis": "random"}, 2),
    ("block-quadratic", {"blocks": 100, "basis": "random"}, 2),
    ("chained-rosenbrock", {}, 1),
    ("nonsmooth", {"basis": "random"}, 2),
    ("embedded", {"basis": "subset"}, 1),
]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak from /proc")
def test_millions_of_dimensions_need_the_point_and_one_buffer(record_property):
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, json.dumps([case[:2] for case in LARGE])],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "1000000"},  # what is freed leaves the process
    )
    for (name, chosen, copies), line in zip(LARGE, done.stdout.splitlines(), strict=True):
        seconds, bytes_each, gap = json.loads(line)
        record_property(f"{name} {chosen}", f"{1e3 * seconds:.1f} ms, {bytes_each:.1f} bytes each")
        assert gap == pytest.approx(1.0, abs=1e-4)
        assert bytes_each < 4.0 * copies + 6.0  # and some chunks of 1 MiB
