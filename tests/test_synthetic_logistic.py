"""Logistic regression: its minimum, its minibatches, its counters."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from zobench.core.directions import Noise
from zobench.registry import objectives


def build(**given):
    problem = objectives["logistic"].build(
        {"dim": 50, "examples": 120, "dtype": "float64", **given}
    )
    problem.start(1)
    return problem


@pytest.mark.parametrize("given", [{}, {"dim": 300}, {"exponent": 2.0}, {"exponent": 0.0}])
def test_no_other_method_finds_a_lower_loss(given):
    problem = build(**given)
    signed = problem.function.signed.numpy()
    n = len(signed)

    def loss(w):
        pull = 1.0 / (1.0 + np.exp(signed @ w))
        value = np.logaddexp(0.0, -signed @ w).mean() + w @ w / (2 * n)
        return value, w / n - pull @ signed / n

    def bend(w, v):
        p = 1.0 / (1.0 + np.exp(-signed @ w))
        return (p * (1 - p) * (signed @ v)) @ signed / n + v / n

    found = minimize(
        loss, np.zeros(signed.shape[1]), jac=True, hessp=bend, method="trust-ncg", tol=1e-10
    )
    assert problem.minimum == pytest.approx(found.fun, abs=1e-12)
    np.testing.assert_allclose(problem.optimum().numpy(), found.x, atol=1e-5)
    problem.x.copy_(problem.optimum())
    assert float(torch.cat(list(problem.gradient(0)[1])).norm()) < 1e-7


def test_the_start_has_loss_log_two_and_some_labels_go_against_the_teacher():
    problem = build(examples=2000)
    assert problem.score()["loss"] == pytest.approx(np.log(2.0), abs=1e-12)
    problem.x.copy_(problem.optimum())
    wrong = float((problem.function.signed @ problem.x < 0).double().mean())
    assert 0.03 < wrong < 0.3


def test_a_minibatch_is_shared_by_a_call_and_averages_to_the_loss():
    problem = build(batch=10)
    assert problem.stochastic
    assert problem.scored == "current"
    d = Noise(3)
    one, two = problem.losses([(0.5, d), (0.5, d)], 4)
    assert one == pytest.approx(two, rel=1e-12)
    assert problem.probe_scores is None
    found = [problem.losses([(0.5, d)], seed)[0] for seed in range(2000)]
    assert len(set(found)) > 1900
    problem.params.add(0.5, d)
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - problem.score()["loss"]) < 4.0 * error


def test_a_minibatch_gradient_is_that_of_its_losses():
    problem = build(batch=10)
    _, gradients = problem.gradient(6)
    d = Noise(9)
    high, low = problem.losses([(1e-5, d), (-1e-5, d)], 6)
    slope = sum(
        float(g @ problem.params.dense(d, b)) for g, b in zip(gradients, problem.params.blocks)
    )
    assert (high - low) / 2e-5 == pytest.approx(slope, rel=1e-5)
    other = torch.cat(list(problem.gradient(7)[1]))
    assert not torch.allclose(other, torch.cat(list(gradients)))


def test_samples_are_examples():
    probes = [(0.1, Noise(k)) for k in range(3)]
    for batch, each in ((0, 120), (10, 10), (120, 120)):
        problem = build(batch=batch)
        problem.losses(probes, 1)
        assert (problem.samples, problem.forwards) == (3 * each, 3.0)


def test_the_minibatch_ends_with_the_call_also_when_it_raises():
    problem = build(batch=10)
    good = problem.score()

    def broken(*args):
        raise RuntimeError("no loss")

    problem.loss = broken
    with pytest.raises(RuntimeError, match="no loss"):
        problem.losses([(0.1, Noise(1))], 1)
    assert problem.score()["loss"] == pytest.approx(good["loss"], rel=1e-12)
