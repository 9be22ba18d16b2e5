"""Weights of 16 bits: stochastic rounding moves them as 32 bits do, by every write; the figures."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from conftest import require
from optim_tools import loss_of, net, raw
from torch import nn

from zobench.core import directions as d
from zobench.core.estimator import Finished
from zobench.core.module import TensorParams
from zobench.core.noise import interface as noise
from zobench.core.noise.stored import store, store_rows
from zobench.core.numerics import Trace
from zobench.core.rules import decay
from zobench.core.scratch import ScratchParams
from zobench.errors import Unsuitable
from zobench.optim import ZerothOrder, replay
from zobench.registry import estimators

SHAPES = ((6, 6), (7, 4))  # d = 64
STEPS, SEEDS = 200, 8
DIGITS = {torch.bfloat16: 8, torch.float16: 11}


@pytest.fixture(params=estimators.load())
def entry(request):
    found = estimators[request.param]
    require(found)
    return found


class Script:
    """Losses and gradients that depend on the number of the call alone, and never on the point."""

    def __init__(self, params, seed):
        self.params, self.draw = params, np.random.default_rng(seed)
        self.slopes = [self.draw.standard_normal(block.size) for block in params.blocks]

    def __call__(self, probes):
        if self.params.observer:
            self.params.observer.probed(probes)
        return self.draw.random(len(probes)).tolist()

    def gradient(self):
        size = self.draw.random()
        return size, [
            torch.tensor(size * slope).to(block.tensor.dtype)
            for slope, block in zip(self.slopes, self.params.blocks)
        ]


def start(dtype, size):
    """Weights of both signs, of `size` to twice that: 16 bits have equal steps there."""
    draw = torch.Generator().manual_seed(0)
    tensors = []
    for shape in SHAPES:
        share = 0.3 + 0.4 * torch.rand(shape, generator=draw)
        signs = torch.randint(0, 2, shape, generator=draw) * 2 - 1
        tensors.append((signs * (size * (1 + share)).to(torch.bfloat16)).to(dtype))
    return tensors


def trained(entry, dtype, size, seed, rounding=None, steps=STEPS, observed=False):
    """(params, points) of an estimator whose losses are scripted."""
    params = TensorParams([(f"x{i}", t) for i, t in enumerate(start(dtype, size))], (), rounding)
    params.observer = Trace(params.blocks) if observed else None
    estimator = entry.build(entry.sanity)
    try:
        estimator.start(params, seed)
        script, points = Script(params, seed), [params.flat()]
        for _ in range(steps):
            estimator.step(script)
            points.append(params.flat())
    except Unsuitable as error:
        pytest.skip(str(error))
    except Finished:
        pass
    return params, np.array(points)


def coarse(entry, dtype):
    """A size of weights at which 16 bits have steps so long that rounding to nearest loses moves.

    And so short that the noise of 200 stochastic roundings, below 5 steps a coordinate, leaves
    0.08 of deviation of what `SEEDS` runs say.
    """
    points = trained(entry, torch.float32, 0.0, 0)[1]
    step = 0.08 * SEEDS**0.5 / 5 * (np.linalg.norm(points[-1] - points[0]) or 1.0)
    return 2.0 ** (np.round(np.log2(step)) + DIGITS[dtype] - 1)


def test_stochastic_rounding_moves_the_weights_as_float32_does(entry):
    size, dtype = coarse(entry, torch.bfloat16), torch.bfloat16
    made = meant = 0.0
    for seed in range(SEEDS):
        exact = trained(entry, torch.float32, size, seed)[1]
        found = trained(entry, dtype, size, seed, rounding=seed + 100)[1]
        assert np.array_equal(found[0], exact[0])
        wanted = exact[-1] - exact[0]
        made, meant = made + (found[-1] - found[0]) @ wanted, meant + wanted @ wanted
    if not meant:
        pytest.skip("does not move on such losses")
    assert made / meant == pytest.approx(1.0, abs=0.3)
