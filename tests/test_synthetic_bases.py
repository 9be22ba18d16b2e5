"""Bases: exactly orthogonal, mixing all, and embeddings where only a few directions matter."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_synthetic_tensors import DIM, build, put

from zobench.objectives.synthetic import _basis, _function, _pieces, _profiles


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


def test_a_shared_piece_is_part_of_what_is_drawn_and_does_not_change():
    like, long = torch.empty(0), _pieces.LONGEST + 100
    drawn = _function.signs(3, 0, long, like)
    assert torch.equal(_function.signs(3, 100, long, like), drawn[100:])
    power = _profiles.Power(long, 0.7)
    values = _profiles.part(power, 0, long, like.device)
    assert torch.equal(_profiles.part(power, 100, long, like.device), values[100:])
    problem = build("quadratic", dim=600, basis="random", shift=0.5)
    problem.start(0)
    first = problem.loss(0), problem.gradient(0)[1][0].clone()
    for seed in range(1, 4):  # starts, values and slopes all read shared pieces
        problem.start(seed)
        problem.gradient(seed)
    problem.start(0)
    assert problem.loss(0) == first[0]
    assert torch.equal(problem.gradient(0)[1][0], first[1])


def test_bases_of_another_seed_differ_and_a_subset_is_one():
    one, two = (_basis.Rotation(50, 50, seed) for seed in (1, 2))
    x = torch.ones(50)
    assert not torch.allclose(one.coordinates(x), two.coordinates(x))
    subset = _basis.Subset(50, 7, 1)
    p = dense(subset, 50, 7)
    np.testing.assert_array_equal(p.T @ p, np.eye(7))
    assert (p != 0).sum() == 7


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
