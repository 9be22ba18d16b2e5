"""The regulator: an exact optimum, costs of a simulation, noise that averages out."""

from __future__ import annotations

import numpy as np
import pytest

from zobench.core.directions import Dense, Noise
from zobench.errors import BadInput
from zobench.registry import objectives


def regulator(**settings):
    problem = objectives["lqr"].build(settings)
    problem.start(1)
    return problem


def at(problem, gain):
    """f at a gain of shape (inputs, states)."""
    here = np.asarray(gain).ravel() - problem.params.x
    return problem.losses([(1.0, Dense(here))], 1)[0]


@pytest.mark.parametrize("instance", range(4))
def test_riccati_is_the_optimum_at_any_horizon(instance):
    for horizon in (1, 7, 100):
        problem = regulator(instance=instance, horizon=horizon)
        system = problem.system
        assert problem.score()["gap"] == pytest.approx(1.0)
        assert at(problem, system.best) == pytest.approx(problem.minimum, abs=1e-12)
        assert np.abs(system.gradient(system.best)).max() < 1e-9
        rng = np.random.default_rng(instance)
        for _ in range(20):
            other = system.best + 0.01 * rng.standard_normal(system.best.shape)
            assert at(problem, other) > problem.minimum
    assert max(abs(np.linalg.eigvals(system.A + system.B @ system.best))) < 1.0


def test_the_cost_is_that_of_a_simulation():
    problem = regulator(states=4, inputs=2, horizon=13, instance=5, episodes=3)
    s, rng = problem.system, np.random.default_rng(0)
    gain = 0.3 * rng.standard_normal((2, 4))
    x, total = np.random.default_rng(9).standard_normal((3, 4)).T, 0.0  # the starts of seed 9
    for _ in range(13):
        u = gain @ x
        total += ((x * (s.Q @ x)).sum() + (u * (s.R @ u)).sum()) / 3
        x = s.A @ x + s.B @ u
    total += (x * (s.P @ x)).sum() / 3
    loss = problem.losses([(1.0, Dense(gain.ravel()))], 9)[0]
    assert loss * problem.scale == pytest.approx(total)
    assert problem.samples == 3 * 13


def test_sampled_starts_average_to_the_exact_cost():
    exact, noisy = regulator(), regulator(episodes=4, seeds="fresh")
    probe = (0.1, Noise(3))
    wanted = exact.losses([probe], 0)[0]
    found = [noisy.losses([probe] * 50, seed) for seed in range(40)]
    assert np.mean(found) == pytest.approx(wanted, rel=0.1)
    assert noisy.probe_scores == pytest.approx([wanted - exact.minimum] * 50)
    assert len(set(found[0])) == 50
    common = regulator(episodes=4)
    assert len(set(common.losses([probe] * 5, 1))) == 1


def test_the_system_of_ars_is_slightly_unstable():
    facts = regulator(instance=0).describe()
    assert facts["spectral_radius"] == pytest.approx(1.024, abs=5e-4)
    assert facts["dimension"] == 9
    assert regulator(states=6, radius=1.1).describe()["spectral_radius"] == pytest.approx(1.1)


@pytest.mark.parametrize("settings", [
    {"states": 0}, {"radius": 0.0}, {"episodes": -1}, {"seeds": "fixed"}, {"horizon": 0}
])  # fmt: skip
def test_wrong_settings_of_the_regulator(settings):
    with pytest.raises(BadInput, match=next(iter(settings))):
        objectives["lqr"].build(settings)
