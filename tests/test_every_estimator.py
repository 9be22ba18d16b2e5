"""The contract of an estimator, over the registry: no test names one."""

import inspect
import sys

import numpy as np
import pytest
import torch
from conftest import SHAPES, TensorSphere, require, sphere

from zobench.core.estimator import ComposedEstimator, Finished
from zobench.core.oracle import BudgetExhausted, Oracle
from zobench.core.params import Params
from zobench.errors import BadInput
from zobench.registry import estimators

BUDGET = 4000


@pytest.fixture(params=estimators.load())
def entry(request):
    found = estimators[request.param]
    require(found)
    return found


def run(problem, estimator, budget=BUDGET, seed=3):
    """(oracle, points after each step, scores), until the budget or the estimator ends."""
    params = problem.start(1)
    oracle = Oracle(problem, budget, 2)
    estimator.start(params, seed)
    points = [params.flat()]
    try:
        while True:
            estimator.step(oracle)
            points.append(params.flat())
    except (BudgetExhausted, Finished):
        return oracle, points


def test_it_is_documented(entry):
    doc = inspect.getdoc(entry.make)
    assert doc
    assert sys.modules[entry.make.__module__].__doc__
    assert entry.paper
    assert "Queries a step" in doc
    assert "Memory" in doc


def test_its_file_bears_its_name(entry):
    assert entry.make.__module__.rsplit(".", 1)[1] == entry.name.replace("-", "_")


def test_what_a_tuner_searches_are_settings(entry):
    assert entry.space
    assert set(entry.space) <= set(entry.defaults)
    for low, high, scale in entry.space.values():
        assert low < high
        assert scale in ("log", "linear")


def test_wrong_settings_are_refused(entry):
    with pytest.raises(BadInput, match="no setting named"):
        entry.build({"no_such_setting": 1})
    number = next(k for k, v in entry.defaults.items() if type(v) is float)
    for wrong in ("many", "nan", float("nan"), float("inf")):
        with pytest.raises(BadInput, match=number):
            entry.build({number: wrong})


def test_it_solves_a_sphere(entry):
    problem = sphere()
    _, points = run(problem, entry.build(entry.sanity))
    gaps = 0.5 * ((np.array(points) - 1.0) ** 2).sum(axis=1)
    assert gaps[-1] < 0.1 * gaps[0]


def test_equal_seeds_give_equal_traces_and_others_do_not(entry):
    one, again, other = (
        run(sphere(), entry.build(entry.sanity), 400, seed)[1] for seed in (3, 3, 4)
    )
    assert np.array_equal(one, again)
    deterministic = not np.array_equal(one, other)
    seeded = "seed" in inspect.signature(type(entry.build(entry.sanity)).start).parameters
    assert deterministic or entry.first_order or not _draws(entry) or not seeded


def _draws(entry) -> bool:
    """Does the estimator's run depend on its seed at all (a simplex or all coordinates do not)?"""
    asked: list[list] = []
    for seed in (3, 4):
        points: list = []
        problem = sphere()
        rows = problem.f
        problem.f = lambda x, rows=rows, points=points: (points.append(x.copy()), rows(x))[1]
        run(problem, entry.build(entry.sanity), 100, seed)
        asked.append(points)
    return not all(np.array_equal(a, b) for a, b in zip(*asked))


def test_global_generators_are_untouched(entry):
    key, place = np.random.get_state()[1:3]  # noqa: NPY002
    key = key.copy()
    torch_state = torch.random.get_rng_state()
    run(sphere(), entry.build(entry.sanity), 300)
    assert np.array_equal(np.random.get_state()[1], key)  # noqa: NPY002
    assert np.random.get_state()[2] == place  # noqa: NPY002 - not one draw
    assert torch.equal(torch.random.get_rng_state(), torch_state)


def test_rows_and_the_walk_in_place_give_the_same_points(entry):
    _, rows = run(sphere(), entry.build(entry.sanity), 400)
    _, walk = run(TensorSphere(), entry.build(entry.sanity), 400)
    assert len(rows) == len(walk)
    np.testing.assert_allclose(walk, rows, rtol=0, atol=1e-6)


def test_asking_leaves_the_point_where_it_was(entry):
    """Also when the loss raises in the middle of a call."""

    class Stop(Exception):  # noqa: N818 - raised on purpose
        pass

    for fails_at in (1, 2, 5):
        problem = TensorSphere()
        params, loss, calls = problem.start(1), problem.loss, 0
        estimator = entry.build(entry.sanity)
        estimator.start(params, 3)
        oracle = Oracle(problem, BUDGET, 2)

        def failing(seed, loss=loss, fails_at=fails_at):
            nonlocal calls
            calls += 1
            if calls == fails_at:
                raise Stop
            return loss(seed)

        problem.loss = failing
        before = params.flat()
        try:
            while calls < fails_at:
                before = params.flat()
                estimator.step(oracle)
        except Stop:
            np.testing.assert_allclose(params.flat(), before, rtol=0, atol=1e-12)


def test_it_moves_along_what_it_probed(entry):
    """At refreshes and switches too.

    A composed estimator's recipe lies in the span of its own step's probes (its rule may then bend
    it, entry by entry). Any other goes to points in the affine hull of those it asked for.
    """
    if entry.first_order:
        pytest.skip("moves along a gradient: it has no probes")
    estimator, problem = entry.build(entry.sanity), sphere()
    params = problem.start(1)
    estimator.start(params, 3)
    oracle, origin, probed, moved = Oracle(problem, BUDGET, 2), params.flat(), [], []
    composed = isinstance(estimator, ComposedEstimator)

    def watched(probes):
        here = 0.0 if composed else params.flat() - origin
        probed.extend(here + scale * _flat(params, direction) for scale, direction in probes)
        return oracle(probes)

    if composed:
        apply = estimator.rule.apply
        estimator.rule.apply = lambda p, g, t: (moved.append(_flat(p, g)), apply(p, g, t))[1]
    for _ in range(25):
        if composed:
            probed.clear(), moved.clear()
        try:
            estimator.step(watched)
        except (BudgetExhausted, Finished):
            break
        move = moved[0] if composed else params.flat() - origin
        span = np.array(probed).T
        if np.linalg.norm(move) > 0 and np.linalg.matrix_rank(span) < params.size:
            fit = span @ np.linalg.lstsq(span, move, rcond=None)[0]
            cosine = fit @ move / (np.linalg.norm(fit) * np.linalg.norm(move))
            assert cosine == pytest.approx(1.0, abs=1e-6)


def _flat(params: Params, direction) -> np.ndarray:
    return np.concatenate([params.dense(direction, block) for block in params.blocks])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_it_improves_a_module_of_any_precision(entry, dtype):
    problem = TensorSphere(SHAPES, dtype=dtype)
    settings = dict(entry.sanity)
    if "eps" in entry.defaults:  # a probe must be seen in 8 bits of mantissa
        settings["eps"] = max(0.05, settings.get("eps", 0.0))
    problem.start(1)
    start = problem.score()["gap"]
    run(problem, entry.build(settings), 3000)
    assert problem.score()["gap"] < 0.5 * start
