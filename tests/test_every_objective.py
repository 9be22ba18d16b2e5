"""The contract of an objective, over the registry: no test names one."""

import inspect
import json
import math
import random
import sys

import numpy as np
import pytest
from conftest import require

from zobench.core.directions import Noise
from zobench.core.problem import InPlaceProblem, VectorProblem
from zobench.errors import BadInput, Unsuitable
from zobench.registry import objectives

EPS = 1e-3


@pytest.fixture(params=objectives.load())
def entry(request):
    found = objectives[request.param]
    require(found)
    return found


@pytest.fixture
def problem(entry):
    made = entry.build(entry.sanity)
    made.start(1)
    return made


def pairs(count: int = 2, eps: float = EPS):
    return [(s * eps, Noise(7 + k)) for k in range(count) for s in (1.0, -1.0)]


def close(actual, desired):
    """Equal up to the rounding of a few moves in float32."""
    np.testing.assert_allclose(actual, desired, rtol=1e-4, atol=1e-5)


def gradient(problem, seed: int = 5):
    try:
        return problem.gradient(seed)
    except Unsuitable:
        pytest.skip("has no gradient")


def dot(problem, gradients, direction) -> float:
    return sum(
        float(np.asarray(g, float) @ np.asarray(problem.params.dense(direction, block), float))
        for g, block in zip(gradients, problem.params.blocks)
    )


class Stop(Exception):  # noqa: N818
    """What a failing loss raises."""


def failing(function, calls: int):
    """`function` until its call number `calls`, which raises."""
    left = [calls]

    def wrapped(*args):
        left[0] -= 1
        if left[0] <= 0:
            raise Stop
        return function(*args)

    return wrapped


def test_it_is_documented(entry):
    assert inspect.getdoc(entry.make)
    assert sys.modules[entry.make.__module__].__doc__
    assert entry.version


def test_wrong_settings_are_refused(entry):
    with pytest.raises(BadInput, match="no setting named"):
        entry.build({"no_such_setting": 1})
    number = next(k for k, v in entry.defaults.items() if type(v) in (int, float))
    with pytest.raises(BadInput, match=number):
        entry.build({number: "many"})


def test_one_seed_starts_at_one_point(entry):
    problem = entry.build(entry.sanity)
    first = problem.start(3).flat()
    problem.losses(pairs(), 1)
    problem.params.add(1.0, Noise(4))
    assert np.array_equal(problem.start(3).flat(), first)
    assert np.array_equal(entry.build(entry.sanity).start(3).flat(), first)
    assert problem.samples == 0
    assert problem.forwards == 0.0


def test_losses_replay(entry):
    """The same calls from the same start give the same bits."""

    def calls():
        problem = entry.build(entry.sanity)
        problem.start(2)
        return [list(map(float, problem.losses(pairs(), seed))) for seed in (5, 6, 5)]

    assert calls() == calls()


def test_one_call_is_one_draw(problem):
    """Equal seeds and probes give equal losses, within a call and between calls."""
    first, second, third = map(float, problem.losses([pairs()[0], pairs()[1], pairs()[0]], 5))
    close(third, first)
    close(list(map(float, problem.losses(pairs(1), 5))), [first, second])
    if not problem.stochastic:
        close(list(map(float, problem.losses(pairs(1), 6))), [first, second])


def test_losses_leave_the_point_where_it_was(problem):
    before = problem.params.flat()
    problem.losses([*pairs(), (0.0, Noise(3)), (1.0, Noise(3))], 5)
    close(problem.params.flat(), before)
    problem.score()
    close(problem.params.flat(), before)


def test_also_when_the_loss_raises(problem):
    if isinstance(problem, InPlaceProblem):
        problem.loss = failing(problem.loss, 3)
    else:
        assert isinstance(problem, VectorProblem)
        problem.f = failing(problem.f, 1)
    before = problem.params.flat()
    with pytest.raises(Stop):
        problem.losses(pairs(), 5)
    close(problem.params.flat(), before)


def test_queries_are_counted_and_warming_up_is_not(problem):
    problem.losses(pairs(), 5)
    assert problem.samples >= 4
    assert problem.forwards > 0.0
    before = problem.params.flat()
    problem.warm_up()
    assert problem.samples == 0
    assert problem.forwards == 0.0
    assert problem.seen is None
    close(problem.params.flat(), before)


def test_seen_is_the_score_of_the_probes(problem):
    problem.losses(pairs(), 5)
    if problem.seen is None:
        assert problem.scored == "current"
        return
    seen = list(problem.seen)
    for (scale, direction), value in zip(pairs(), seen, strict=True):
        problem.params.add(scale, direction)
        close(problem.score()[problem.score_name], value)
        problem.params.add(-scale, direction)


def test_the_score_is_finite_free_and_of_the_current_point(problem):
    spent = problem.samples, problem.forwards
    here = problem.score()
    assert problem.score_name in here
    assert all(math.isfinite(value) for value in here.values())
    assert problem.score() == here
    problem.params.add(0.1, Noise(9))
    assert problem.score()[problem.score_name] != here[problem.score_name]
    assert (problem.samples, problem.forwards) == spent


def test_no_point_is_below_the_optimum(problem):
    if problem.score_name != "gap":
        pytest.skip("has no known optimum")
    assert problem.score()["gap"] > 0.0
    for seed in range(5):
        problem.params.add(0.3, Noise(seed))
        assert problem.score()["gap"] >= -1e-6


def test_losses_and_score_agree_on_what_is_better(problem):
    """Probes in the order of their losses are in the order of their scores: lower is better."""
    probes = [(scale, Noise(11)) for scale in (0.0, 0.3, 1.0, 3.0)]
    losses = np.array([float(np.mean([problem.losses([p], s) for s in range(8)])) for p in probes])
    scores = []
    for scale, direction in probes:
        problem.params.add(scale, direction)
        scores.append(problem.score()[problem.score_name])
        problem.params.add(-scale, direction)
    best, worst = int(losses.argmin()), int(losses.argmax())
    assert scores[best] < scores[worst]


def test_a_gradient_matches_central_differences(problem):
    _, gradients = gradient(problem)
    assert [len(g) for g in gradients] == [b.size for b in problem.params.blocks]
    directions = [Noise(100 + k) for k in range(6)]
    wanted = np.array([dot(problem, gradients, d) for d in directions])
    errors = []
    for eps in (1e-2, 1e-3, 1e-4):  # rounding or curvature spoils some, rarely all
        found = []
        for d in directions:
            high, low = problem.losses([(eps, d), (-eps, d)], 5)
            found.append((float(high) - float(low)) / (2.0 * eps))
        errors.append(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
    assert min(errors) < 0.02


def test_a_small_step_against_the_gradient_improves_the_score(problem):
    if not problem.params.size < 10**7:
        pytest.skip("too large to hold several gradients")
    sums = [sum(parts) / 8 for parts in zip(*(gradient(problem, s)[1] for s in range(8)))]
    name = problem.score_name
    before, squares = problem.score()[name], sum(float((g * g).sum()) for g in sums)
    assert squares > 0.0
    for step in 10.0 ** np.arange(0.0, -5.0, -0.5):  # from too long to short enough
        for sign in (-1.0, 1.0):
            for block, g in zip(problem.params.blocks, sums):
                problem.params.update(block, sign * step * g)
            if sign < 0 and problem.score()[name] < before:
                return
    pytest.fail(f"no step against the gradient lowers {name} from {before}")


def test_its_description_is_a_record(problem):
    facts = json.loads(json.dumps(problem.describe()))
    assert facts["dimension"] == problem.params.size == len(problem.params.flat())
    assert sum(facts["groups"].values()) <= facts["dimension"]
    assert all(size > 0 for size in facts["groups"].values())


def test_groups_share_no_block(problem):
    blocks = [b for group in problem.params.groups for b in group.blocks]
    assert len(blocks) == len(set(blocks))
    assert set(blocks) <= {b.index for b in problem.params.blocks}
    assert len({g.name for g in problem.params.groups}) == len(problem.params.groups)


def test_global_generators_are_untouched(entry):
    import torch

    python, numpy = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    state = torch.random.get_rng_state()
    problem = entry.build(entry.sanity)
    problem.start(1)
    problem.losses(pairs(), 5)
    assert random.getstate() == python
    assert np.array_equal(np.random.get_state()[1], numpy)  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), state)
