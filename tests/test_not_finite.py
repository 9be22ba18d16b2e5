"""A constraint by infinity, and other losses that are not finite: who goes on, and how it ends."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from conftest import require
from harness_tools import suite_of

from zobench.core.directions import Dense
from zobench.core.estimator import Finished
from zobench.core.oracle import BudgetExhausted, Diverged, Oracle
from zobench.core.problem import VectorProblem
from zobench.harness.estimator_spec import parse_estimator
from zobench.harness.plan import plan
from zobench.harness.run import execute
from zobench.harness.suite_file import load
from zobench.registry import estimators, objectives

WALL = """
import numpy as np
from zobench.core.problem import VectorProblem

def wall(outside: float = 0.0, start: float = 0.5, kind: str = "inf", turned: str = "no"):
    other = outside or float(kind)
    def f(x):
        y = np.where((np.abs(x) > 1).any(axis=1), other, ((x - 0.9) ** 2).sum(axis=1))
        return np.full(len(x), other) if turned == "all" else y
    return VectorProblem(f, lambda rng: np.full(4, start))
"""


@pytest.fixture(params=estimators.load())
def entry(request):
    found = estimators[request.param]
    require(found)
    if found.first_order:
        pytest.skip("asks for no losses at probes")
    return found


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_estimator_that_ranks_goes_on_and_any_other_diverges(entry, value):
    asked = 0

    def f(x):
        nonlocal asked
        numbers = asked + np.arange(1, len(x) + 1)
        asked += len(x)
        return np.where(numbers % 7 == 0, value, ((x - 1.0) ** 2).sum(axis=1))

    problem = VectorProblem(f, lambda rng: np.zeros(8), shapes=((2, 2), (2, 2)))
    params, oracle = problem.start(0), Oracle(problem, 400, 2)
    estimator = entry.build(entry.sanity)
    oracle.ranks = getattr(estimator, "ranks", False)
    estimator.start(params, 3)
    end = None
    while end is None:
        try:
            estimator.step(oracle)
        except (BudgetExhausted, Finished, Diverged) as raised:
            end = raised
    assert np.isfinite(params.x).all()
    if oracle.ranks:
        assert not isinstance(end, Diverged)
        assert oracle.lost == oracle.queries // 7
        assert oracle.low < 8.0
    else:
        assert str(end) == f"the loss was {value} at query 7"


def made(folder, chosen, **settings):
    """The run of an estimator on the wall."""
    (folder / "wall.py").write_text(WALL)
    (spec,) = plan(suite_of(folder, repetitions=1), ["random-search"])
    name = f"{folder / 'wall.py'}:wall"
    entry = objectives[name]
    problem = replace(
        spec.problem,
        **{"objective": name, "version": entry.version, "settings": entry.defaults | settings},
        **{"targets": (0.1, 1e-4), "budget": 600},
    )
    return execute(replace(spec, problem=problem, estimator=parse_estimator(chosen)))


RANKING = [
    "cma-es", "random-search:sigma=0.1", "gld", "scipy", "scipy:method=Powell",
    "scipy:method=COBYQA", "nevergrad:name=OnePlusOne,sigma=0.3",
]  # fmt: skip


@pytest.mark.parametrize("chosen", RANKING)
def test_infinity_outside_a_box_ends_as_a_large_number_does(tmp_path, chosen):
    require(estimators[chosen.partition(":")[0]])
    ends = [
        made(tmp_path, chosen, **settings)
        for settings in ({"outside": 1e9}, {"kind": "inf"}, {"kind": "nan"})
    ]
    assert len({end.status for end in ends}) == 1
    assert all(0.1 in [hit[2] for hit in end.hits] for end in ends)
    if chosen != "random-search:sigma=0.1":
        assert ends[0].status == "target"
    assert [row[:1] + row[2:] for row in ends[1].trace[1:]] == [
        row[:1] + row[2:] for row in ends[2].trace[1:]
    ]


@pytest.mark.parametrize("chosen", ["cma-es", "random-search", "gld"])
def test_a_start_outside_the_box_is_no_end_for_those_that_rank(tmp_path, chosen):
    require(estimators[chosen])
    end = made(tmp_path, chosen, start=1.05)
    assert end.trace[0][2] == math.inf
    assert math.isfinite(end.best_score)
    assert end.status in ("budget", "target")
    other = made(tmp_path, "mezo", start=1.05)
    assert (other.status, other.reason) == ("diverged", "the gap was inf after 0 queries")


@pytest.mark.parametrize("chosen", RANKING)
@pytest.mark.parametrize("kind", ["nan", "inf"])
def test_a_run_without_one_finite_loss_has_diverged(tmp_path, chosen, kind):
    require(estimators[chosen.partition(":")[0]])
    end = made(tmp_path, chosen, kind=kind, turned="all")
    assert (end.status, end.reason) == ("diverged", f"none of {end.queries} losses was finite")
    assert end.hits == []
    assert math.isnan(end.best_score)


@pytest.mark.parametrize("chosen", [*RANKING, "mezo", "coordinate"])
def test_minus_infinity_ends_every_run(tmp_path, chosen):
    require(estimators[chosen.partition(":")[0]])
    for settings in ({"turned": "all"}, {"start": 0.9999}):
        end = made(tmp_path, chosen, kind="-inf", **settings)
        assert end.status == "diverged"
        assert "-inf" in end.reason
        assert not any(hit[2] == 1e-4 for hit in end.hits)


def test_random_search_asks_its_start_and_never_leaves_it_for_a_worse_point():
    problem = VectorProblem(lambda x: (x**2).sum(axis=1), lambda rng: np.zeros(10))
    estimator = estimators["random-search"].build({})
    params, oracle = problem.start(0), Oracle(problem, 200, 2)
    estimator.start(params, 1)
    estimator.step(oracle)
    assert oracle.queries == 17
    estimator.step(oracle)
    assert oracle.queries == 33
    assert params.x.tolist() == [0.0] * 10
    params.add(1.0, Dense(np.ones(10)))  # what it knows is the loss of its start
    estimator.step(oracle)
    assert params.x.tolist() == [1.0] * 10


@pytest.mark.parametrize("chosen", ["random-search", "gld", "scipy"])
def test_a_point_that_is_the_best_stays(tmp_path, chosen):
    """Of those whose point is one that they have asked for."""
    (spec,) = plan(
        suite_of(tmp_path, settings="spread = 0.0, instance = 0", repetitions=1), [chosen]
    )
    end = execute(spec)
    assert end.final_score == 0.0


def test_a_run_whose_scores_are_never_numbers_has_diverged(tmp_path):
    """An estimator that ranks goes on where a point has no score, but not for ever unseen."""
    file = tmp_path / "lost.py"
    file.write_text("""
from zobench.core.problem import VectorProblem

class Lost(VectorProblem):
    def losses(self, probes, seed):
        losses = super().losses(probes, seed)
        self.probe_scores = [float("nan")] * len(losses)
        return losses
    def score(self):
        return {"gap": float("nan")}

def lost(dim: int = 3):
    return Lost(lambda x: (x**2).sum(axis=1), lambda rng: rng.normal(size=dim))
""")
    suite = suite_of(tmp_path, repetitions=1)
    text = (tmp_path / "t.toml").read_text()
    known = suite.problems[0].objective
    (tmp_path / "t.toml").write_text(text.replace(known, f"{file}:lost"))
    for name in (n for n in estimators.load() if getattr(estimators[n].make(), "ranks", False)):
        require(estimators[name])
        (spec,) = plan(load(tmp_path / "t.toml"), [name])
        result = execute(spec)
        assert (result.status, result.reason[:8]) == ("diverged", "none of ")


def test_what_only_compares_losses_goes_on_in_a_loop_of_ones_own():
    """As in a suite: an Oracle learns it from the estimator."""

    def f(x):
        return np.where((np.abs(x) > 1.0).any(axis=1), np.inf, ((x - 0.9) ** 2).sum(axis=1))

    for name in (n for n in estimators.load() if getattr(estimators[n].make(), "ranks", False)):
        require(estimators[name])
        problem = VectorProblem(f, lambda rng: np.full(4, 0.5))
        estimator = estimators[name].build(dict(estimators[name].sanity))
        estimator.start(problem.start(1), 3)
        oracle = Oracle(problem, 300, 7)
        with pytest.raises((BudgetExhausted, Finished)):
            while True:
                estimator.step(oracle)
        assert oracle.lost
        assert problem.score()["gap"] < 0.64
