"""Settings that change with the step, at steps where their value is plain."""

import numpy as np
import pytest
import torch

from zobench.core.directions import Noise
from zobench.core.estimator import ComposedEstimator
from zobench.core.oracle import Oracle
from zobench.core.rules import SGD
from zobench.core.samplers import gaussian
from zobench.core.schedules import at, cosine, linear, parse, power, start_of, warmup
from zobench.core.schemes import Central
from zobench.core.vector import VectorParams
from zobench.errors import BadInput
from zobench.harness import plan
from zobench.harness.estimator_spec import parse_estimator
from zobench.harness.run import execute
from zobench.harness.suite_file import load
from zobench.optim import ZerothOrder
from zobench.registry import estimators, objectives


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (0.5, {0: 0.5, 99: 0.5}),
        (power(2.0, 1.0), {0: 2.0, 1: 1.0, 3: 0.5}),
        (power(2.0, 0.5, offset=3.0), {0: 2.0, 12: 1.0}),
        (linear(1.0, 4), {0: 1.0, 1: 0.75, 4: 0.0, 9: 0.0}),
        (cosine(1.0, 4), {0: 1.0, 2: 0.5, 4: 0.0, 9: 0.0}),
        (warmup(1.0, 4), {0: 0.25, 3: 1.0, 9: 1.0}),
        (warmup(linear(1.0, 4), 2), {0: 0.5, 1: 0.75, 2: 0.5}),
    ],
)
def test_a_schedule_has_its_values(schedule, values):
    assert {t: at(schedule, t) for t in values} == pytest.approx(values)


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("cosine(1e-3, 2000)", cosine(1e-3, 2000)),
        ("linear(0.5,10)", linear(0.5, 10)),
        (" cosine( 1 ) ", cosine(1.0)),
        ("warmup(1e-3, 100)", warmup(1e-3, 100)),
        ("warmup(linear(1e-3, 50), 100)", warmup(linear(1e-3, 50), 100)),
    ],
)
def test_a_schedule_is_read_from_a_setting(text, schedule):
    assert parse(text) == schedule


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("step(1)", "no schedule named 'step'"),
        ("cosine(1, 2.5)", "whole number of at least 1"),
        ("cosine(1, 0)", "whole number of at least 1"),
        ("cosine(0, 9)", "above 0"),
        ("cosine(-1)", "above 0"),
        ("warmup(0, 9)", "above 0"),
        ("cosine(linear(1), 9)", "only warmup takes a schedule"),
        ("cosine(1e999)", "not a finite number"),
        ("cosine(1", "is not a schedule"),
        ("warmup(1)", "is not a schedule"),
        ("cosine(1, 2, 3)", "is not a schedule"),
        ("cosine(start=1)", "is not a schedule"),
        ("cosine(open)", "is not a schedule"),
        ("print(1)", "no schedule named 'print'"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_reason(text, why):
    with pytest.raises(BadInput, match=why):
        parse(text)


def scheduled():
    return {(name, key) for name, e in estimators.load().items() for key in e.varying}


@pytest.mark.parametrize(("name", "key"), sorted(scheduled()))
def test_a_setting_that_says_so_takes_a_schedule(name, key):
    """One that stays at its number for ever changes no bit."""
    entry = estimators[name]
    settings = {**entry.sanity}
    number = settings.get(key, entry.defaults[key])
    moved = []
    for value in (number, f"warmup({number}, 1)", f"linear({number}, 1)"):
        problem = objectives["sphere"].build({"dim": 4, "blocks": 2})
        params = problem.start(1)
        tuned = settings | {key: value}
        if name == "lozo":
            problem = objectives["quadratic"].build({"dim": 16, "matrix": True, "blocks": 2})
            params = problem.start(1)
        estimator = entry.build(tuned)
        estimator.start(params, 3)
        oracle = Oracle(problem, 200, 5)
        first = params.flat()
        for _ in range(3):
            estimator.step(oracle)
        moved.append(params.flat())
    assert np.array_equal(moved[0], moved[1])
    assert not np.array_equal(moved[0], moved[2])
    assert not np.array_equal(moved[0], first)


def test_moves_are_scaled_as_the_schedule_says():
    """f = x: the slope is the direction, so a move is lr z^2 along z."""
    params = VectorParams(np.zeros(1))

    class Line:
        budget, queries = 8, 0

        def __call__(self, probes):
            self.queries += len(probes)
            return [float(row[0]) for row in params.rows(probes)]

    estimator = ComposedEstimator(gaussian, Central(1e-3), SGD(cosine(0.5)))
    estimator.start(params, 0)
    evaluate, moves = Line(), []
    for _ in range(4):
        before = params.flat()
        drawn = []
        scheme = estimator.scheme

        def spied(params, evaluate, draw, t, scheme=scheme, drawn=drawn):
            recipe = scheme(params, evaluate, draw, t)
            drawn.extend(recipe.terms)
            return recipe

        estimator.scheme = spied
        estimator.step(evaluate)
        estimator.scheme = scheme
        ((weight, noise),) = drawn
        assert isinstance(noise, Noise)
        z = float(params.rows([(1.0, noise)])[0, 0] - params.flat()[0])
        moves.append(float((before - params.flat())[0]) / (weight * z))
    assert moves == pytest.approx([0.5 * 0.5 * (1 + np.cos(np.pi * t / 4)) for t in range(4)])


@pytest.mark.parametrize("name", sorted({name for name, key in scheduled() if key == "lr"}))
def test_a_rate_over_the_run_is_that_over_its_number_of_steps(name):
    entry, ends = estimators[name], []
    lr = entry.sanity.get("lr", entry.defaults["lr"])

    def after(steps, schedule, budget):
        problem = objectives["quadratic"].build({"dim": 16, "matrix": True, "blocks": 2})
        params = problem.start(1)
        estimator = entry.build({**entry.sanity, "lr": schedule})
        estimator.start(params, 3)
        oracle = Oracle(problem, budget, 5)
        oracle.gradients = entry.first_order
        for _ in range(steps):
            estimator.step(oracle)
        return params.flat(), oracle.queries

    _, queries = after(1, lr, 10**6)
    for schedule in (f"cosine({lr})", f"cosine({lr}, 4)", lr):
        ends.append(after(4, schedule, 4 * queries)[0])
    assert np.array_equal(ends[0], ends[1])
    assert not np.array_equal(ends[0], ends[2])


def test_a_schedule_without_steps_needs_a_budget():
    params = VectorParams(np.zeros(2))
    estimator = estimators["mezo"].build({"lr": "cosine(0.5)"})
    estimator.start(params, 0)

    def evaluate(probes):
        return [float(row.sum()) for row in params.rows(probes)]

    estimator.step(evaluate)
    with pytest.raises(BadInput, match="lr: give the number of steps"):
        estimator.step(evaluate)


def test_a_run_takes_a_schedule_from_the_command_line():
    spec = parse_estimator("mezo:lr=cosine(0.02, 300),n=2")
    assert spec.settings == {"lr": "cosine(0.02, 300)", "n": 2}
    ends = {}
    for text in ("mezo:lr=cosine(0.02)", "mezo:lr=cosine(0.02, 500)", "mezo:lr=0.02"):
        specs = plan.plan(load("smoke"), [text], repetitions=1, baselines=False)
        run = next(s for s in specs if s.problem.objective == "sphere")
        assert plan.RunSpec.from_dict(run.to_dict()).key == run.key
        result = execute(run)
        assert result.status in ("budget", "target"), result.reason
        ends[text] = result.final_score
    assert ends["mezo:lr=cosine(0.02)"] == ends["mezo:lr=cosine(0.02, 500)"]  # 1000 queries, 2 each
    assert ends["mezo:lr=cosine(0.02)"] != ends["mezo:lr=0.02"]


def test_a_setting_that_takes_none_says_what_it_takes():
    with pytest.raises(BadInput, match="takes a number"):
        parse_estimator("spsa:lr=cosine(1, 5)")
    with pytest.raises(BadInput, match=r"mezo: setting 'lr': .*is not a schedule"):
        parse_estimator("mezo:lr=cosine(")


def test_the_start_is_the_number_that_is_scaled():
    assert start_of(0.5) == start_of(cosine(0.5, 9)) == start_of(warmup(linear(0.5, 3), 9)) == 0.5


def trained(steps, torch_factor=None, saved=None, **settings):
    """(the weights after so many steps, the optimizer)."""
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1).double()
    x = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(4, 3)
    optimizer = ZerothOrder(model, "mezo", seed=1, **settings)
    scheduler = None
    if torch_factor is not None:
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, torch_factor)
    for step in range(steps):
        if step == saved:
            state, weights = optimizer.state_dict(), model.state_dict()
            model = torch.nn.Linear(3, 1).double()
            model.load_state_dict(weights)
            optimizer = ZerothOrder(model, "mezo", seed=9, **settings)
            optimizer.load_state_dict(state)
        optimizer.step(lambda model=model: (model(x) ** 2).mean())
        if scheduler is not None:
            scheduler.step()
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()]), optimizer


def test_an_optimizer_takes_a_schedule_and_torch_multiplies_it():
    decay = {"weight_decay": 0.1}
    own, optimizer = trained(6, lr="linear(0.05, 8)", **decay)
    assert optimizer.param_groups[0]["lr"] == 0.05  # the number that is scaled
    torchs, _ = trained(6, lambda t: 1 - t / 8, lr=0.05, **decay)
    torch.testing.assert_close(own, torchs, rtol=1e-9, atol=1e-12)
    both, _ = trained(6, lambda t: 0.5, lr="linear(0.05, 8)", **decay)
    half, _ = trained(6, lr="linear(0.025, 8)", **decay)
    torch.testing.assert_close(both, half, rtol=1e-9, atol=1e-12)


def test_a_saved_optimizer_goes_on_along_its_schedule():
    want, _ = trained(6, lr="cosine(0.05, 8)")
    again, _ = trained(6, saved=3, lr="cosine(0.05, 8)")
    assert torch.equal(again, want)


def test_an_optimizer_has_no_budget_to_end_with():
    with pytest.raises(BadInput, match="lr: an optimizer has no budget"):
        trained(1, lr="cosine(0.05)")
