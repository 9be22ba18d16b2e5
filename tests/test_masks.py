"""Sparse-MeZO and R-MeZO: which weights move, by hand; in place; recorded; a start at zero."""

import copy

import numpy as np
import pytest
import torch
from optim_tools import loss_of, net, raw
from torch import nn

from zobench.core.directions import FixedMask, Noise
from zobench.core.estimator import ComposedEstimator
from zobench.core.oracle import Oracle
from zobench.core.problem import VectorProblem
from zobench.core.rules import SGD
from zobench.core.samplers import SmallWeights, Sparse
from zobench.core.schemes import Central
from zobench.core.seeds import fold
from zobench.core.vector import VectorParams
from zobench.engine.tensors import TensorParams
from zobench.errors import BadInput, Unsuitable
from zobench.optim import ZerothOrder, replay
from zobench.registry import Entry, estimators

# Two blocks; a quarter of eight weights, and of four, are the two smallest and the smallest.
X = np.array([0.9, -0.1, 0.5, -0.7, 0.2, 3.0, -2.0, 0.4, -5.0, 6.0, 4.0, -7.0])
SHAPES = ((2, 4), (4,))
SMALL = {1, 4, 10}  # |-0.1| and |0.2| of the first block, |4.0| of the second
IDS = torch.tensor([0, 3, 3, 10])
KINDS = ["vector", "float64", "float32", "bfloat16", "float16"]


def params_of(kind: str, x=X):
    if kind == "vector":
        return VectorParams(x, SHAPES)
    sizes = [int(np.prod(shape)) for shape in SHAPES]
    parts = torch.split(torch.tensor(x).to(getattr(torch, kind)), sizes)
    return TensorParams((f"x{i}", p.view(s)) for i, (p, s) in enumerate(zip(parts, SHAPES)))


def moving(params, direction) -> set[int]:
    """The coordinates along which a direction moves."""
    parts = [np.asarray(params.dense(direction, block)) for block in params.blocks]
    return set(np.flatnonzero(np.concatenate(parts)).tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_the_small_weights_of_each_block_move(kind):
    params, sampler = params_of(kind), SmallWeights(0.25)
    direction = sampler(params, 0, 5, 6)
    assert moving(params, direction) == SMALL
    assert sampler.thresholds == pytest.approx((0.2, 4.0), rel=1e-2)
    whole = np.concatenate([np.asarray(params.dense(Noise(5), b)) for b in params.blocks])
    masked = np.concatenate([np.asarray(params.dense(direction, b)) for b in params.blocks])
    assert np.array_equal(masked, np.where(np.isin(np.arange(12), list(SMALL)), whole, 0.0))


@pytest.mark.parametrize("kind", KINDS)
def test_the_mask_is_of_the_point_at_each_step_and_the_thresholds_stay(kind):
    params, sampler = params_of(kind), SmallWeights(0.25)
    first = sampler(params, 0, 5, 6)
    with params.probed(10.0, first):  # a probe changes no mask
        assert sampler(params, 0, 7, 6).mask is first.mask
    params.add(10.0, first)
    values = np.abs(params.flat())
    thresholds = np.repeat(sampler.thresholds, (8, 4))
    assert moving(params, sampler(params, 1, 5, 6)) == set(np.flatnonzero(values <= thresholds))
    again = SmallWeights(0.25, refresh=2)
    for t in range(3):
        direction = again(params, t, 5, 6)
    assert moving(params, direction) == {
        *np.argsort(np.abs(params.flat()[:8]), kind="stable")[:2].tolist(),
        8 + int(np.argmin(np.abs(params.flat()[8:]))),
    }


def test_a_step_by_hand():
    """On f = g x, one step moves the small weights by -lr (g z) z, and no other."""
    slopes = np.arange(1.0, 13.0)
    problem = VectorProblem(lambda x: x @ slopes, lambda rng: X.copy(), shapes=SHAPES)
    estimator = estimators["sparse-mezo"].build({"lr": 1e-3, "sparsity": 0.75})
    params = problem.start(0)
    estimator.start(params, 3)
    estimator.step(Oracle(problem, 2, 0))
    z = np.concatenate([params.dense(Noise(fold(3, 1)), block) for block in params.blocks])
    z *= np.isin(np.arange(12), sorted(SMALL))
    np.testing.assert_allclose(params.flat() - X, -1e-3 * (slopes @ z) * z, rtol=1e-6, atol=1e-12)


def test_a_start_at_zero_is_unsuitable_unless_thresholds_are_taken_again():
    params = VectorParams(np.zeros(8), ((8,),))
    with pytest.raises(Unsuitable, match="magnitudes of weights"):
        SmallWeights(0.5)(params, 0, 5, 6)
    assert moving(params, SmallWeights(0.5, refresh=1)(params, 0, 5, 6)) == set(range(8))


@pytest.mark.parametrize("refresh", [0, 1, 3])
def test_a_random_mask_lasts_as_long_as_it_says(refresh):
    params, sampler = VectorParams(np.zeros(400)), Sparse(0.25, refresh)
    masks = [moving(params, sampler(params, t, t, 6)) for t in range(6)]
    periods = [t // refresh if refresh else 0 for t in range(6)]
    for mask, other, a, b in zip(masks, masks[1:], periods, periods[1:]):
        assert (mask == other) is (a == b)
    assert all(60 < len(mask) < 140 for mask in masks)


@pytest.mark.parametrize("name", ["sparse-mezo", "r-mezo"])
@pytest.mark.parametrize("sparsity", [-0.1, 1.0, 2.0])
def test_a_sparsity_that_cannot_be_is_refused(name, sparsity):
    with pytest.raises(BadInput, match=rf"{name}: sparsity is the share .* not {sparsity}"):
        estimators[name].build({"sparsity": sparsity})


@pytest.mark.parametrize("name", ["sparse-mezo", "r-mezo"])
def test_scratch_probes_the_same_weights_as_the_walk(name):
    """Tables of embeddings, whose rows are made alone, too."""
    ends = []
    for realisation in ("walk", "scratch", "paired"):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Embedding(11, 6), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 1))
        opt = ZerothOrder(model, name, lr=1e-2, eps=1e-2, seed=4, realisation=realisation)
        for _ in range(20):
            opt.step(lambda model=model: (model(IDS) - 1.0).square().mean())
        opt.flush()
        ends.append(raw(model))
    for end in ends[1:]:
        np.testing.assert_allclose(end, ends[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("realisation", ["walk", "scratch", "paired"])
@pytest.mark.parametrize("delay", [False, True])
@pytest.mark.parametrize("before", [0, 3])
def test_a_record_of_masks_replays_from_any_step(realisation, delay, before, tmp_path):
    model = net(torch.bfloat16)
    given = {"lr": 1e-2, "eps": 0.05, "sparsity": 0.5, "refresh": 4, "stochastic_rounding": True}
    opt = ZerothOrder(model, "sparse-mezo", realisation=realisation, delay=delay, **given)
    for _ in range(before):
        opt.step(loss_of(model))
    opt.flush()
    start, path = copy.deepcopy(model), tmp_path / "run"
    opt.record(path)
    for _ in range(9):
        opt.step(loss_of(model))
    opt.close()
    opt.flush()
    assert replay(path, start) == 9
    assert torch.equal(raw(start), raw(model))


def test_a_record_of_masks_is_small(tmp_path):
    model = net(width=64)
    opt, path = ZerothOrder(model, "sparse-mezo", lr=1e-3), tmp_path / "run"
    opt.record(path)
    for _ in range(300):
        opt.step(loss_of(model))
    opt.close()
    assert path.stat().st_size < 60 * 300


def test_a_mask_of_an_earlier_step_is_not_recorded(monkeypatch, tmp_path):
    class Once:
        """A mask that is taken before the first step alone."""

        def __init__(self):
            self.mask = None

        def __call__(self, params, t, seed, base):
            if self.mask is None:
                self.mask = params.mask([1.0] * len(params.blocks))
            return FixedMask(Noise(seed), self.mask)

    def once(lr: float = 1e-2) -> ComposedEstimator:
        return ComposedEstimator(Once(), Central(1e-2), SGD(lr))

    monkeypatch.setitem(estimators._entries, "once", Entry("once", once))
    model = net()
    opt = ZerothOrder(model, "once")
    opt.step(loss_of(model))
    opt.record(tmp_path / "run")
    with pytest.raises(BadInput, match="a mask of weights as they were before"):
        opt.step(loss_of(model))
