"""Language-model fine-tuning through the public classes, against plain reimplementations."""

from functools import lru_cache

import numpy as np
import pytest
import torch

from zobench.core.directions import Noise
from zobench.core.noise import reference
from zobench.core.oracle import Oracle
from zobench.core.seeds import fold
from zobench.objectives.llm import models
from zobench.objectives.llm.batches import encode, minibatch
from zobench.objectives.llm.loss import label_loss
from zobench.objectives.llm.tasks import generated
from zobench.registry import estimators, objectives

STEPS, LR, EPS = 20, 3e-4, 1e-3


@lru_cache(maxsize=64)  # blocks of one step: the reference is slow
def z(seed: int, index: int, shape: torch.Size) -> torch.Tensor:
    return torch.from_numpy(reference.values("gaussian", seed, index, 0, 0, shape.numel())).view(
        shape
    )


@torch.inference_mode()
def plain_mezo(steps: int, active=lambda t, names: set(names)):
    """MeZO with stored copies: no walk, no merging, no recipe; the same directions and rows."""
    net, tokenizer = models.load("tiny")
    rows = encode(generated("sentiment").train, generated("sentiment"), tokenizer, 64)
    named, losses = list(net.named_parameters()), []
    for t in range(steps):
        seed, batch = fold(3, t + 1), minibatch(rows, fold(2, t + 1), 16)
        moved = active(t, [name for name, _ in named])
        kept = [p.clone() for _, p in named]
        pair = []
        for sign in (1, -1):
            for index, (name, p) in enumerate(named):
                if name in moved:
                    p.copy_(kept[index] + sign * EPS * z(seed, index, p.shape))
            pair.append(float(label_loss(net, batch)))
        slope = (pair[0] - pair[1]) / (2 * EPS)
        for index, (name, p) in enumerate(named):
            p.copy_(kept[index])
            if name in moved:
                p.sub_(LR * slope * z(seed, index, p.shape))
        losses += pair
    return losses, net


def ours(name: str, steps: int, **settings):
    problem = objectives["llm"].build({"model": "tiny"})
    params = problem.start(0)
    estimator = estimators[name].build({"lr": LR, "eps": EPS} | settings)
    estimator.start(params, 3)
    oracle, losses = Oracle(problem, 10**6, 2), []

    def watched(probes):
        losses.extend(found := oracle(probes))
        return found

    for _ in range(steps):
        estimator.step(watched)
    params.flush()
    return losses, problem


def weights(net) -> np.ndarray:
    return torch.cat([p.detach().reshape(-1) for p in net.parameters()]).double().numpy()


def test_mezo_equals_a_plain_loop():
    expected, net = plain_mezo(STEPS)
    losses, problem = ours("mezo", STEPS)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    difference = np.linalg.norm(weights(problem.net) - weights(net))
    assert difference < 1e-5 * np.linalg.norm(weights(net))


def test_mezo_bcd_equals_a_plain_loop_at_switches_too():
    losses, problem = ours("mezo-bcd", 20, dwell=3, order="ascending")
    groups = [
        {problem.params.blocks[i].name for i in group.blocks} for group in problem.params.groups
    ]
    expected, net = plain_mezo(20, lambda t, names: groups[t // 3 % len(groups)])
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert np.linalg.norm(weights(problem.net) - weights(net)) < 1e-5 * np.linalg.norm(weights(net))


def test_a_pair_shares_its_minibatch_and_calls_do_not():
    problem = objectives["llm"].build({"model": "tiny"})
    problem.start(0)
    first, again, other = (problem.minibatch(seed) for seed in (1, 1, 2))
    assert first is again
    assert not torch.equal(first.labels, other.labels) or first.ids.shape != other.ids.shape


def test_every_block_is_in_one_group():
    problem = objectives["llm"].build({"model": "tiny"})
    params = problem.start(0)
    listed = sorted(index for group in params.groups for index in group.blocks)
    assert listed == list(range(len(params.blocks)))
    assert {group.role for group in params.groups} == {"embeddings", "layer", "head"}


def test_drift_of_the_walk_is_small():
    """lr = 0: after 100 steps the weights are where they were, but for fp32 rounding."""
    problem = objectives["llm"].build({"model": "tiny"})
    params = problem.start(0)
    before = params.flat()
    estimator = estimators["mezo"].build({"lr": 0.0})
    estimator.start(params, 3)
    oracle = Oracle(problem, 10**6, 2)
    for _ in range(100):
        estimator.step(oracle)
    assert np.sqrt(np.mean((params.flat() - before) ** 2)) < 1e-6 * np.sqrt(np.mean(before**2))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_16_bit_loss_is_reduced_in_fp32(dtype):
    problem = objectives["llm"].build({"model": "tiny", "dtype": dtype})
    problem.start(0)
    losses = [problem.loss(seed) for seed in range(8)]
    as_16_bit = torch.tensor(losses, dtype=getattr(torch, dtype)).double().numpy()
    assert np.any(as_16_bit != np.array(losses))  # finer than its weights' own type


def test_out_of_memory_says_what_to_change():
    """A forward pass that asks for more than there is."""
    problem = objectives["llm"].build({"model": "tiny"})
    params = problem.start(0)
    before = params.flat()
    problem.net.register_forward_pre_hook(lambda *_: torch.empty(1 << 60))
    problem.net.model.register_forward_pre_hook(lambda *_: torch.empty(1 << 60))
    with pytest.raises(MemoryError, match=r"16 x \d+ tokens .* try micro_batch=4, dtype=bfloat16"):
        problem.losses([(1e-3, Noise(1))], 0)
    assert np.allclose(params.flat(), before, atol=1e-6)  # and the point is where it was
