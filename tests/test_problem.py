"""What an objective's function may return, and what the oracle refuses."""

import numpy as np
import pytest
import torch

from zobench.core.directions import Noise
from zobench.core.oracle import BudgetExhausted, Diverged, Oracle
from zobench.core.problem import VectorProblem


def problem(f) -> VectorProblem:
    made = VectorProblem(f, lambda rng: np.zeros(3))
    made.start(0)
    return made


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: np.append(x[:, 0], 0.0),
        lambda x: x[1:, 0],
        lambda x: 1.0,
        lambda x: list(x[:, 0]),
        lambda x: x[:, 0] + 1j,
        lambda x: x,
    ],
)
def test_a_function_must_give_one_real_loss_a_row(wrong):
    with pytest.raises(ValueError, match="one real loss a row"):
        Oracle(problem(wrong), 10, 0)([(1.0, Noise(1)), (-1.0, Noise(1))])


@pytest.mark.parametrize(
    ("probes", "said"),
    [
        ([], "no probes"),
        ([(1.0, np.ones(3))], "the direction of a probe is a ndarray"),
        ([(1.0, torch.ones(3)), (0.0, Noise(1))], "the direction of a probe is a Tensor"),
        ([Noise(1)], r"a pair \(scale, direction\), not Noise"),
    ],
)
def test_probes_that_are_none_are_told_in_the_terms_of_an_estimator(probes, said):
    with pytest.raises((TypeError, ValueError), match=said):
        Oracle(problem(lambda x: x[:, 0]), 10, 0)(probes)


def test_an_objective_must_give_as_many_losses_as_probes():
    made = problem(lambda x: x[:, 0])
    made.losses = lambda probes, seed: [0.0]
    with pytest.raises(ValueError, match="1 losses for 2 probes"):
        Oracle(made, 10, 0)([(1.0, Noise(1)), (-1.0, Noise(1))])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_ends_the_run_and_names_the_query(value):
    oracle = Oracle(problem(lambda x: np.where(np.arange(len(x)) == 1, value, 0.0)), 10, 0)
    with pytest.raises(Diverged, match="at query 2"):
        oracle([(1.0, Noise(1)), (-1.0, Noise(1))])


def test_a_call_that_does_not_fit_is_not_made():
    oracle = Oracle(problem(lambda x: x[:, 0]), 3, 0)
    oracle([(1.0, Noise(1)), (-1.0, Noise(1))])
    with pytest.raises(BudgetExhausted):
        oracle([(1.0, Noise(2)), (-1.0, Noise(2))])
    assert oracle.queries == 2
