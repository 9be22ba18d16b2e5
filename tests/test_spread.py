"""A model spread over devices: the same directions and losses. The second device is the CPU too."""

import pytest
import torch

from zobench.core.directions import Noise, Restricted
from zobench.errors import BadInput
from zobench.objectives.llm import models
from zobench.registry import estimators, objectives

accelerate = pytest.importorskip("accelerate")


def spread(problem):
    """Accelerate's hooks on every part, as for a model that no single device holds."""
    layers = {f"model.decoder.layers.{i}": "cpu" for i in range(2)}
    decoder = (f"model.decoder.{name}" for name in ("embed_tokens", "embed_positions"))
    rest = dict.fromkeys([*decoder, "model.decoder.final_layer_norm", "lm_head"], "cpu")
    accelerate.dispatch_model(problem.net, {**rest, **layers}, main_device="cpu", force_hooks=True)
    assert hasattr(problem.net.model.decoder.layers[0], "_hf_hook")


def losses(realisation, steps, hooked):
    problem = objectives["llm"].build({"model": "tiny", "realisation": realisation})
    params = problem.start(0)
    if hooked:
        spread(problem)
    problem.warm_up()
    layer = params.groups[2].blocks
    probes = [(1e-3, Noise(1)), (-1e-3, Noise(1)), (1e-3, Restricted(Noise(2), layer))]
    found = [*problem.losses(probes, 5)]
    found += problem.losses([(s, Restricted(Noise(2), layer)) for s in (1e-3, -1e-3)], 5)
    estimator = estimators["mezo-bcd"].build({"lr": 1e-4, "dwell": 1})
    estimator.start(params, 3)
    for t in range(steps):
        estimator.step(lambda probes, t=t: problem.losses(probes, t))
    return found, params.flat(), problem.forwards


@pytest.mark.parametrize("realisation", ["walk", "scratch", "paired"])
def test_a_spread_model_moves_and_loses_alike(realisation):
    here, there = (losses(realisation, 8, hooked) for hooked in (False, True))
    assert here[0] == pytest.approx(there[0], rel=1e-6)
    assert abs(here[1] - there[1]).max() < 1e-6 * abs(here[1]).max()
    assert here[2] == there[2] < 3 + 2 + 16  # with prefix reuse on both


def test_device_auto_loads_the_same_weights():
    plain, spread = models.load("tiny")[0], models.load("tiny", device="auto")[0]
    assert all(
        torch.equal(a.cpu(), b.cpu()) for a, b in zip(plain.parameters(), spread.parameters())
    )
    with pytest.raises(BadInput, match="device auto loads pretrained"):
        models.load("tiny", device="auto", pretrained=False)
