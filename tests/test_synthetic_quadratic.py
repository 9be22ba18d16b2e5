"""Quadratics: eigenvalues, traces and start energies are those named."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_synthetic_tensors import DIM, build, put

from zobench.core.directions import Noise
from zobench.objectives.synthetic import _profiles


def hessian(problem):
    """Columns H e_i, shape (dim, dim), of a quadratic."""
    best, columns = problem.optimum(), []
    for e in torch.eye(len(best), dtype=best.dtype):
        put(problem, best + e)
        columns.append(torch.cat(list(problem.gradient(0)[1])))
    return torch.stack(columns).numpy()


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
