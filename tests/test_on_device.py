"""Losses that stay on their device: nobody looks inside a step, and the step is the same."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from zobench.core.noise import interface as noise
from zobench.core.oracle import CHECKED, Diverged, Oracle
from zobench.objectives.llm import masks
from zobench.objectives.llm.loss import label_loss
from zobench.objectives.llm.problem import FineTuning
from zobench.registry import estimators, objectives

LOOKERS = ("_local_scalar_dense", "is_nonzero", "equal", "item")


class Looks(TorchDispatchMode):
    """Counts what would make the host wait for a device."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += any(name in str(func) for name in LOOKERS)
        return func(*args, **(kwargs or {}))


def staying(problem: FineTuning):
    """The problem with losses that nobody else computes: no recordings, no advice on memory."""

    def loss(seed, shared):
        with torch.inference_mode():
            return label_loss(problem.net, problem.minibatch(seed), problem.micro_batch)

    problem.label_loss = loss
    return problem


def run(name, on_device, steps=12, watch=None, **settings):
    problem = staying(objectives["llm"].build({"model": "tiny"}))
    estimator = estimators[name].build({"lr": 1e-4, "eps": 1e-3} | settings)
    params = problem.start(0)
    problem.warm_up()
    estimator.start(params, 3)
    oracle = Oracle(problem, 10**6, 2, on_device=on_device)
    for _ in range(steps):
        if watch is None:
            estimator.step(oracle)
        else:
            with watch:
                estimator.step(oracle)
    return params.flat()


@pytest.mark.parametrize(
    "settings",
    [{}, {"n": 3}, {"scheme": "forward", "n": 2}, {"directions": "rademacher"}],
)
def test_the_step_is_the_same(settings, monkeypatch):
    monkeypatch.setattr(masks, "waits", lambda tensor: True)
    estimator = estimators["zo-sgd"].build({"lr": 1e-4, "eps": 1e-3} | settings)
    assert estimator.on_device
    here, there = (run("zo-sgd", on_device, **settings) for on_device in (False, True))
    assert abs(here - there).max() < 1e-6 * abs(here).max()


@pytest.mark.parametrize("name", ["mezo", "mezo-bcd"])
def test_nobody_looks_inside_a_step(name, monkeypatch):
    """Kernels of a GPU read scales there; here the one that adds noise is left out."""
    scales = []

    def unread(outs, blocks, terms, law, **more):
        scales.extend(scale for scale, _ in terms)

    monkeypatch.setattr(noise, "accumulate_blocks", unread)
    monkeypatch.setattr(masks, "waits", lambda tensor: True)
    watch = Looks()
    run(name, True, steps=5, watch=watch)
    assert watch.count == 5  # the lengths of a minibatch's rows, which are on the host
    assert sum(isinstance(scale, torch.Tensor) for scale in scales) == 5  # the updates, merged
    run(name, False, steps=5, watch=watch)
    assert watch.count == 5 + 5 + 10  # the meter does count: two losses a step were read


def test_rules_and_schemes_that_look_take_numbers():
    for name in ("zo-adam", "zo-signsgd", "ars", "zo-momentum"):
        assert not estimators[name].build({}).on_device
    assert not estimators["zo-sgd"].build({"combine": "align", "n": 2}).on_device
    assert not estimators["zo-sgd"].build({"clip": 1.0}).on_device


def test_divergence_is_found_within_some_calls(monkeypatch):
    monkeypatch.setattr(masks, "waits", lambda tensor: True)
    problem = objectives["llm"].build({"model": "tiny"})
    problem.start(0)
    values = iter([*([0.5] * 10), math.nan, *([0.5] * 2 * CHECKED)])
    problem.label_loss = lambda seed, shared: torch.tensor(next(values))
    oracle = Oracle(problem, 10**6, 2, on_device=True)
    from zobench.core.directions import Noise

    with pytest.raises(Diverged, match="not finite"):
        for _ in range(CHECKED):
            oracle([(0.0, Noise(0))])
    assert oracle.queries == CHECKED
