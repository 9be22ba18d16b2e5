"""Blocks with chosen curvature and energy: the closed forms, and what they say of MeZO-BCD."""

import numpy as np
import pytest
import torch

from zobench.core.directions import Noise, Restricted
from zobench.registry import objectives

CORRELATIONS = ("none", "positive", "negative")


def build(start=1, **given):
    problem = objectives["block-quadratic"].build({"dtype": "float64", **given})
    problem.start(start)
    return problem


def gradients(problem):
    return [g.clone() for g in problem.gradient(0)[1]]


def curvature(problem, vectors):
    """v_b' H_b v_b for each block, from the gradient, which is linear."""
    x = problem.x.clone()
    before = gradients(problem)
    problem.x.add_(torch.cat(vectors))
    after = gradients(problem)
    problem.x.copy_(x)
    return np.array([float(v @ (a - b)) for v, a, b in zip(vectors, after, before)])


@pytest.mark.parametrize("basis", ["identity", "random"])
@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_energies_and_traces_are_those_of_the_function(correlation, basis):
    problem = build(dim=120, blocks=10, correlation=correlation, basis=basis)
    for seed in (1, 2):
        problem.start(seed)
        energies = [float(g @ g) for g in gradients(problem)]
        np.testing.assert_allclose(energies, problem.function.energies(), rtol=1e-9)
    units = torch.eye(12, dtype=torch.float64)
    traces = sum(curvature(problem, [u] * 10) for u in units)
    np.testing.assert_allclose(traces, problem.function.traces(), rtol=1e-9)
    assert problem.function.trace() == pytest.approx(traces.sum())
    assert max(problem.function.spectrum.factors) == pytest.approx(1.0)
    assert set(problem.describe()["groups"].values()) == {12}


def test_factors_are_largest_eigenvalues():
    problem = build(dim=40, blocks=4, basis="random")
    for block, norm in enumerate(problem.function.spectrum.factors):
        columns = []
        for unit in torch.eye(10, dtype=torch.float64):
            v = torch.zeros(40, dtype=torch.float64)
            v[10 * block : 10 * block + 10] = unit
            problem.x.copy_(v)
            columns.append(gradients(problem)[block])
        assert float(torch.linalg.eigvalsh(torch.stack(columns)).max()) == pytest.approx(norm)


@pytest.mark.parametrize("instance", [1, 2])
def test_the_correlation_is_the_one_named(instance):
    found = {}
    for correlation in CORRELATIONS:
        f = build(correlation=correlation, instance=instance).function
        t, e = f.traces(), f.energies()
        found[correlation] = np.corrcoef(t, e)[0, 1]
        gain = t.sum() * e.sum() / (len(t) * (t * e).sum())
        assert f.bcd_gain() == pytest.approx(gain)
        facts = build(correlation=correlation, instance=instance).describe()
        assert facts["bcd_gain"] == pytest.approx(gain)
    assert abs(found["none"]) < 0.02
    assert found["positive"] == pytest.approx(1.0)
    assert found["negative"] < -0.3


def test_without_spread_all_blocks_are_alike():
    f = build(spread=0.0, correlation="negative").function
    assert np.ptp(f.traces()) == pytest.approx(0.0)
    assert f.bcd_gain() == pytest.approx(1.0)


def test_moments_of_the_two_point_estimate_in_a_block():
    """E|cz|^2 = (s + 2) |g_b|^2 and E c^2 z'Hz = t_b |g_b|^2 + 2 g_b'H_b g_b, exact here."""
    problem = build(dim=60, blocks=4)
    g = gradients(problem)
    width, block = 15, 1
    energy, trace = problem.function.energies()[block], problem.function.traces()[block]
    bent = curvature(problem, g)[block]
    lengths, curves = [], []
    here = problem.score()["loss"]
    for seed in range(4000):
        d = Restricted(Noise(seed), frozenset([block]))
        high, low = problem.losses([(1.0, d), (-1.0, d)], 0)
        z = problem.params.dense(Noise(seed), problem.params.blocks[block]).numpy()
        c = 0.5 * (high - low)
        lengths.append(c * c * (z @ z))
        curves.append(c * c * (high + low - 2.0 * here))  # z'Hz, the second difference
    for found, wanted in (
        (lengths, (width + 2) * energy),
        (curves, trace * energy + 2.0 * bent),
    ):
        assert abs(np.mean(found) - wanted) < 4.0 * np.std(found) / np.sqrt(len(found))


def best_decreases(problem):
    """(all coordinates, mean over random blocks): best expected decrease, one learning rate."""
    f = problem.function
    bent = curvature(problem, gradients(problem))
    t, e = f.traces(), f.energies()
    full = e.sum() ** 2 / (2.0 * (t.sum() * e.sum() + 2.0 * bent.sum()))
    return full, e.mean() ** 2 / (2.0 * (t * e + 2.0 * bent).mean())


@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_blocks_win_exactly_when_energy_and_curvature_disagree(correlation):
    problem = build(dim=40_000, blocks=20, correlation=correlation, exponent=0.1, energy=0.0)
    full, blocks = best_decreases(problem)
    gain = problem.function.bcd_gain()
    assert blocks / full == pytest.approx(gain, rel=0.05)  # intrinsic dimension far above 20
    if correlation == "none":
        assert gain == pytest.approx(1.0, abs=0.01)
    else:
        assert (gain > 1.2) == (correlation == "negative")
        assert (gain < 0.8) == (correlation == "positive")


def test_few_intrinsic_dimensions_a_block_spoil_the_gain():
    """The term 2 g'Hg, which blocks cannot divide: ratio about (r + 2) / (r + 2 N)."""
    problem = build(dim=400, blocks=40, spread=0.0, exponent=0.0, energy=0.0)
    full, blocks = best_decreases(problem)
    assert blocks / full == pytest.approx((400 + 2) / (400 + 2 * 40), rel=1e-6)
