"""The adapter of nevergrad: optimizers that plan with the budget, and those that cannot run."""

import importlib.util
import signal
import warnings

import numpy as np
import pytest

from zobench.core.oracle import BudgetExhausted, Oracle
from zobench.core.problem import VectorProblem
from zobench.errors import BadInput, MissingPackage, Unsuitable
from zobench.registry import estimators

pytest.importorskip("nevergrad")
PLANNING = ("NGOpt", "NGOpt10", "NgIoh4", "Shiwa", "Wiz", "HaltonSearch", "SQPCMA")
# What is known of nevergrad 1.0.12 beside: Bayesian optimisation takes seconds a candidate, and
# NGOptF does not return from its first `ask`.
NOT_TRIED = ("BO", "BOSplit", "NGOptF")


def run(name, n=1, budget=40, dim=4):
    """Queries and the lowest loss of a run on a sphere, to the end of its budget."""
    problem = VectorProblem(lambda x: ((x - 1.0) ** 2).sum(axis=1), lambda rng: np.zeros(dim))
    params, oracle = problem.start(1), Oracle(problem, budget, 2)
    estimator = estimators["nevergrad"].build({"name": name, "n": n, "sigma": 0.5})
    oracle.ranks = estimator.ranks
    estimator.start(params, 3)
    with warnings.catch_warnings(), pytest.raises(BudgetExhausted):
        warnings.simplefilter("ignore")  # theirs, on what they choose
        while True:
            estimator.step(oracle)
    return oracle.queries, oracle.low


@pytest.mark.parametrize("name", PLANNING)
def test_an_optimizer_that_plans_is_told_the_budget(name):
    queries, low = run(name)
    assert queries == 40
    assert low < 20.0


def test_candidates_that_do_not_fit_into_the_budget_are_not_asked_for():
    assert run("HaltonSearch", n=4, budget=42)[0] == 40
    assert run("TwoPointsDE", n=4, budget=42)[0] == 40


def test_without_a_budget_those_that_plan_are_unsuitable():
    from zobench.core.vector import VectorParams

    estimator = estimators["nevergrad"].build({"name": "NGOpt"})
    estimator.start(VectorParams(np.zeros(3)), 1)
    with pytest.raises(Unsuitable, match="NGOpt does not begin: it may need the number of queries"):
        estimator.step(lambda probes: [1.0] * len(probes))


def test_what_takes_one_candidate_at_a_time_is_refused_before_any_run():
    with pytest.raises(BadInput, match="nevergrad's Powell takes one candidate at a time: n = 1"):
        estimators["nevergrad"].build({"name": "Powell", "n": 4})
    assert estimators["nevergrad"].build({"name": "Powell", "n": 1})


def test_a_package_that_is_missing_is_named():
    if importlib.util.find_spec("nlopt"):
        pytest.skip("nlopt is installed")
    with pytest.raises(MissingPackage) as error:
        run("NLOPT_LN_COBYLA")
    assert error.value.args == ("nlopt", "nlopt")


@pytest.mark.slow
def test_every_optimizer_runs_or_says_why_not():
    """What takes over 10 seconds is taken to run: some learn a model for each candidate."""
    import nevergrad

    def late(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    failed = {}
    for name in sorted(set(nevergrad.optimizers.registry) - set(NOT_TRIED)):
        signal.alarm(10)
        try:
            run(name)
        except (MissingPackage, Unsuitable, TimeoutError):
            pass
        except BaseException as error:
            failed[name] = repr(error)
        finally:
            signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    assert not failed
