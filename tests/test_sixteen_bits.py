"""Weights of 16 bits: every write rounds stochastically; the figures. More: zobench.testing."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from conftest import require
from optim_tools import loss_of, net, raw
from torch import nn

from zobench.core import directions as d
from zobench.core.fixed import fixed
from zobench.engine.realise import realise
from zobench.engine.tensors import TensorParams
from zobench.optim import ZerothOrder, replay
from zobench.registry import estimators
from zobench.testing.weights import coarse, train

HALVES = [torch.bfloat16, torch.float16]


@pytest.fixture(params=estimators.load())
def entry(request):
    found = estimators[request.param]
    require(found)
    return found


@dataclass(frozen=True)
class Own:
    """A direction of a user's own, that is no noise."""

    def expand(self, block):
        return ((0.5, self), (0.5, self))

    def add(self, out, scale, block, start):
        out += scale * np.cos(np.arange(start, start + len(out)))


MASKS = d.Mask((), (np.packbits(np.arange(4096) % 3 == 0),))
KINDS = [
    d.Noise(1), d.Noise(1, "rademacher"), d.LowRank(1, 2, 3), d.RandomMask(d.Noise(1), 2, 0.5),
    d.FixedMask(d.Noise(1), MASKS), d.Dense(np.linspace(-1.0, 1.0, 4096)), Own(),
    d.Recipe(((0.5, d.Noise(1)), (-1.0, d.Noise(2, "rademacher")))),
    d.Recipe(((0.5, d.LowRank(1, 2, 3)), (-1.0, d.LowRank(4, 5, 2)))),
]  # fmt: skip


def weight(dtype):
    """64 x 64 numbers at which a step of 16 bits is 2^-7 or 2^-10."""
    return torch.linspace(1.01, 1.99, 4096).view(64, 64).to(dtype)


def share(made, meant):
    return float(made @ meant / (meant @ meant))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("direction", KINDS, ids=lambda kind: type(kind).__name__)
def test_a_move_along_any_direction_is_made_on_average(direction, dtype):
    meant = TensorParams([("w", torch.zeros(64, 64))])
    meant.add(1.0, direction)
    scale = 0.02 * 2 ** (-7 if dtype == torch.bfloat16 else -10)
    params, count = TensorParams([("w", weight(dtype))], rounding=3), 20
    before = params.flat()
    for _ in range(count):
        params.add(scale, direction)
        params.flush()
    assert share(params.flat() - before, count * scale * meant.flat()) == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("direction", KINDS, ids=lambda kind: type(kind).__name__)
@pytest.mark.parametrize("kind", [nn.Linear, nn.Embedding])
def test_perturbed_copies_are_rounded_as_the_weights_are(kind, direction, dtype):
    """The first copy has the bits of the first probe in place, rows that are looked up too."""
    given = (64, 64, False) if kind is nn.Linear else (64, 64)
    module, seen = kind(*given, dtype=dtype), []
    module.weight.data.copy_(weight(dtype))
    ids = torch.tensor([7, 63, 7, 0])
    rows = torch.eye(64, dtype=dtype)[ids] if kind is nn.Linear else ids
    forward = lambda: module(rows).detach().clone()  # noqa: E731
    for params in (
        realise(module, "scratch", rounding=3),
        TensorParams(module.named_parameters(), (), 3),
    ):
        with torch.no_grad(), params.probed(1e-3, direction):
            seen.append(forward())
    assert torch.equal(*seen)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("realisation", ["walk", "scratch", "paired"])
@pytest.mark.filterwarnings("ignore:paired")  # an input that is no batch
def test_weight_decay_is_made_on_average(dtype, realisation):
    """exp(-0.2) is left of the weights after 200 steps that each take a thousandth away."""
    model = nn.Linear(64, 64, bias=False, dtype=dtype)
    model.weight.data.copy_(weight(dtype))
    opt = ZerothOrder(
        model, "mezo", lr=1e-3, weight_decay=1.0, eps=1e-3, stochastic_rounding=True,
        realisation=realisation,
    )  # fmt: skip
    row = torch.ones(64, dtype=dtype)
    for _ in range(200):
        opt.step(lambda: (model(row).float() * 0).sum())
    opt.flush()
    left = (raw(model) / weight(dtype).float().view(-1)).mean().item()
    assert left == pytest.approx((1 - 1e-3) ** 200, abs=0.005)


@pytest.mark.parametrize("name", ["mezo", "zo-adam", "lozo", "zo-signsgd"])
@pytest.mark.parametrize("dtype", HALVES)
def test_what_was_rounded_stochastically_replays_and_resumes(name, dtype, tmp_path):
    given = {"stochastic_rounding": True, "lr": 1e-3, "eps": 1e-2, "seed": 4}
    decay = {"weight_decay": 0.5} if "weight_decay" in estimators[name].defaults else {}
    model, state = net(dtype), torch.random.get_rng_state()
    opt = ZerothOrder(model, name, **given, **decay)
    opt.record(tmp_path / "run")
    for _ in range(10):
        opt.step(loss_of(model))
    opt.flush()
    half, saved = {k: v.clone() for k, v in model.state_dict().items()}, opt.state_dict()
    for _ in range(5):
        opt.step(loss_of(model))
    opt.close()
    again = net(dtype)
    assert replay(tmp_path / "run", again) == 15
    assert torch.equal(raw(again), raw(model))
    resumed = net(dtype)
    resumed.load_state_dict(half)
    other = ZerothOrder(resumed, name, **given, **decay)
    other.load_state_dict(saved)
    for _ in range(5):
        other.step(loss_of(resumed))
    other.flush()
    assert torch.equal(raw(resumed), raw(model))
    assert torch.equal(torch.random.get_rng_state(), state)  # no draw of the global generator


# ------------------------------------------------------------------ the figures of a run


class Meant:
    """Tells another observer of moves, and adds up in float64 what they are meant to do."""

    def __init__(self, params, inner):
        self.params, self.inner, self.total = params, inner, {}

    def added(self, scale, direction):
        self.inner.added(scale, direction)
        for block in self.params.blocks:
            self._add(block, float(scale) * self.params.dense(direction, block).double())

    def updated(self, block, delta):
        self.inner.updated(block, delta)
        self._add(block, delta.double())

    def probed(self, probes):
        self.inner.probed(probes)
        self.total = {}

    def vector(self):
        nothing = [torch.zeros(block.size).double() for block in self.params.blocks]
        return torch.cat([self.total.get(k, zero) for k, zero in enumerate(nothing)]).numpy()

    def _add(self, block, values):
        self.total[block.index] = self.total.get(block.index, 0.0) + values


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_figures_are_those_of_the_estimators_own_move(entry, dtype):
    """Of a run's last step, whose move alone is written: as much is made again on copies."""
    from zobench.engine.numerics import Trace

    held = []

    def observe(params):
        held.append(Meant(params, Trace(params.blocks)))
        return held[0]

    points = train(entry, dtype, coarse(entry) / 4, 1, steps=6, observe=observe)
    meant, made = held[0].vector(), points[-1] - points[-2]
    found = held[0].inner.figures(None, apart=False)
    if not meant.any():
        pytest.skip("does not move in its last step on such losses")
    assert found.effective == pytest.approx(share(made, meant), abs=0.05)
    assert found.changed == pytest.approx(np.mean(made[meant != 0] != 0), abs=0.1)


def test_drift_is_that_of_the_last_probes():
    """As far as the weights themselves go, there and back; and none where probes stay apart."""
    from zobench.engine.numerics import PAIRS, Trace

    for direction in KINDS:
        params = TensorParams([("w", weight(torch.bfloat16))])
        trace, before = Trace(params.blocks), params.flat()
        probes = [(scale, direction) for scale in (0.01, -0.01)] * PAIRS
        trace.probed(probes)
        found = trace.figures(None, apart=False)
        for scale, along in probes:
            with params.probed(scale, along):
                pass
        length = 0.01 * np.linalg.norm(np.concatenate([params.dense(direction, params.blocks[0])]))
        far = np.linalg.norm(params.flat() - before) / length
        assert far > 0 or not fixed(direction)  # then each way back is rounded by itself
        assert found.drift == pytest.approx(far, rel=0.05, abs=1e-12)
        assert found.changed != found.changed  # no move
        assert trace.figures(None, apart=True).drift == 0


@pytest.mark.parametrize(("name", "lr"), [("lozo", 1e-5), ("zo-adam", 1e-4), ("mezo-bcd", 1e-5)])
def test_a_run_records_the_figures_of_its_own_move(name, lr):
    pytest.importorskip("transformers")
    from zobench.core.oracle import Oracle
    from zobench.registry import objectives

    problem = objectives["llm"].build({"model": "tiny", "dtype": "bfloat16"})
    params = problem.start(0)
    problem.warm_up()
    meant = Meant(params, getattr(params, "observer", None))
    params.observer = meant
    estimator, oracle = estimators[name].build({"lr": lr}), Oracle(problem, 100, 0)
    estimator.start(params, 0)
    for _ in range(3):
        meant.total = {}
        estimator.step(oracle)
    scores, wanted, point = problem.finish(), meant.vector(), params.flat()
    made = torch.tensor(point + wanted).bfloat16().double().numpy() - point
    # Of a sample of the coordinates, of which a move of 1e-5 changes few: how near that comes
    # depends on the processor, whose rounding makes the losses and so the moves.
    assert scores["effective"] == pytest.approx(share(made, wanted), rel=0.25)
    assert scores["changed"] == pytest.approx(np.mean(made[wanted != 0] != 0), rel=0.1)
    assert scores["drift"] > 0.1
