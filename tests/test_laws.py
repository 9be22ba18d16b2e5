"""The law of normal directions as a setting: of samplers, suites, optimizers and records."""

from __future__ import annotations

import gzip
import json
from typing import Any

import numpy as np
import pytest
import torch
from optim_tools import loss_of, net, raw

from zobench import VectorParams
from zobench.core.directions import Noise
from zobench.core.samplers import OneGroup, Orthogonal, Sparse, by_name, gaussian, sphere
from zobench.errors import BadInput
from zobench.harness.plan import LATER, plan
from zobench.harness.suite_file import load
from zobench.optim import ZerothOrder, replay
from zobench.registry import estimators, objectives


def laws(direction):
    """The laws of the noise that a direction is made of."""
    if isinstance(direction, Noise):
        return {direction.law}
    parts = [inner for _, inner in getattr(direction, "terms", ())]
    return set().union(*map(laws, parts or [direction.inner]))


@pytest.mark.parametrize("law", ["gaussian", "hadamard"])
@pytest.mark.parametrize(
    "make",
    [lambda: gaussian, lambda: sphere, lambda: Orthogonal(2), lambda: Sparse(0.5), OneGroup],
)
def test_samplers_draw_by_the_law_of_the_params(law, make):
    params = VectorParams(np.zeros(6), [(4,), (2,)])
    params.law = law
    assert laws(make()(params, 0, 5, 6)) == {law}


def test_a_sampler_of_each_law_has_its_name():
    params = VectorParams(np.zeros(6))
    assert by_name("hadamard", 1)(params, 0, 5, 6) == Noise(5, "hadamard")
    assert by_name("gaussian", 1)(params, 0, 5, 6) == Noise(5)


@pytest.mark.parametrize("name", ["mezo", "mezo-bcd", "sparse-mezo", "r-mezo", "random-search"])
def test_estimators_draw_by_the_law_of_the_params(name):
    """Other moves than the Gaussian's, from the same seed."""
    points = []
    for law in ("gaussian", "hadamard", "hadamard"):
        model = net(torch.float32)
        opt = ZerothOrder(model, name, law=law, seed=3)
        for _ in range(2):
            opt.step(loss_of(model))
        points.append(raw(model))
    assert torch.equal(points[1], points[2])
    assert not torch.equal(points[0], points[1])


@pytest.mark.parametrize("name", ["mezo", "zo-adam"])
@pytest.mark.parametrize("realisation", ["walk", "scratch"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_records_and_states_have_the_law(name, realisation, dtype, tmp_path):
    given: dict[str, Any] = {
        "law": "hadamard",
        "lr": 1e-3,
        "eps": 1e-2,
        "seed": 4,
        "realisation": realisation,
    }
    model = net(dtype)
    opt = ZerothOrder(model, name, **given)
    opt.record(tmp_path / "run")
    for _ in range(3):
        opt.step(loss_of(model))
    opt.flush()
    half, saved = {k: v.clone() for k, v in model.state_dict().items()}, opt.state_dict()
    for _ in range(3):
        opt.step(loss_of(model))
    opt.close()
    lines = gzip.decompress((tmp_path / "run").read_bytes()).splitlines()
    assert json.loads(lines[0])["law"] == "hadamard"
    assert any(b'"hadamard"' in line for line in lines[1:])
    again = net(dtype)
    assert replay(tmp_path / "run", again) == 6
    assert torch.equal(raw(again), raw(model))
    resumed = net(dtype)
    resumed.load_state_dict(half)
    given["law"] = "gaussian"
    other = ZerothOrder(resumed, name, **given)
    other.load_state_dict(saved)  # the law is the state's
    for _ in range(3):
        other.step(loss_of(resumed))
    other.flush()
    assert torch.equal(raw(resumed), raw(model))


def test_a_state_of_an_earlier_release_has_gaussian_directions():
    model = net(torch.float32)
    opt = ZerothOrder(model, "mezo", lr=1e-3)
    saved = opt.state_dict()
    engine = next(value for value in saved.values() if isinstance(value, dict) and "law" in value)
    del engine["law"]
    other = ZerothOrder(model, "mezo", law="hadamard", lr=1e-3)
    other.load_state_dict(saved)
    assert other._weights.law == "gaussian"


@pytest.mark.parametrize(
    "call",
    [
        lambda: ZerothOrder(net(torch.float32), "mezo", law="uniform"),
        lambda: objectives["llm"].build({"law": "gausian"}),
    ],
)
def test_an_unknown_law_gives_one_clear_line(call):
    with pytest.raises(BadInput, match="no law of normal directions named") as caught:
        call()
    assert "\n" not in str(caught.value)


def test_the_setting_leaves_the_keys_of_stored_rows(tmp_path):
    """At its default it is no part of a key; at another value it is."""
    text = 'name = "own"\nversion = "1"\nbudget = 10\nrepetitions = 1\n[[problem]]\nid = "p"\n'
    text += 'objective = "llm"\ntargets = [0.5]\n'
    keys = []
    for law in (
        "",
        '[problem.settings]\nlaw = "gaussian"\n',
        '[problem.settings]\nlaw = "hadamard"\n',
    ):
        path = tmp_path / f"suite{len(keys)}" / "own.toml"
        path.parent.mkdir()
        path.write_text(text + law)
        (spec,) = plan(load(path), ["mezo"], repetitions=1)
        keys.append(spec.key)
        assert "law" not in str(spec.definition(spec.settings)) or "hadamard" in law
    assert keys[0] == keys[1] != keys[2]
    for name, later in LATER.items():
        entry = objectives[name] if name in list(objectives) else estimators[name]
        assert later.keys() <= entry.defaults.keys()
    assert "law" not in estimators["mezo"].defaults


def test_a_language_model_says_its_law():
    pytest.importorskip("transformers")
    problem = objectives["llm"].build({"law": "hadamard"})
    params = problem.start(0)
    assert params.law == problem.describe()["law"] == "hadamard"
    problem.finish()
