"""Checkpoints and records of a run, over the registry: no test names an estimator."""

import copy
import io
import math
import threading
from types import SimpleNamespace

import pytest
import torch
from conftest import require
from optim_tools import loss_of, net

from zobench.core import samplers
from zobench.core.ask_tell import Adapted
from zobench.core.directions import Noise
from zobench.core.estimator import ComposedEstimator
from zobench.core.rules import SGD
from zobench.core.schemes import Central
from zobench.errors import BadInput
from zobench.optim import ZerothOrder, replay, restore, state
from zobench.registry import Entry, estimators


@pytest.fixture(params=[name for name, e in estimators.load().items() if not e.first_order])
def entry(request):
    found = estimators[request.param]
    require(found)
    return found


def asks_and_tells(entry) -> bool:
    return isinstance(entry.build(entry.sanity), Adapted)


def composed(entry) -> bool:
    return isinstance(entry.build(entry.sanity), ComposedEstimator)


def steps(opt, model, count: int) -> None:
    for _ in range(count):
        opt.step(loss_of(model))
    opt.flush()


def equal(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters()))


def through_a_file(value):
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_saving_changes_no_bit_of_the_run(entry, dtype, width):
    """Moves that are delayed over it are rounded as if they had been written there."""
    if asks_and_tells(entry):
        pytest.skip("it cannot be saved")
    ends = []
    for saves in (False, True):
        model = net(dtype, width)
        opt = ZerothOrder(model, entry.name, seed=4, delay=True, **entry.sanity)
        closure = loss_of(model)  # made once: it lists parameters, which flushes
        for t in range(9):
            opt.step(closure)
            if saves and t % 3 == 2:
                opt.state_dict()
        opt.flush()
        ends.append(model)
    assert equal(*ends)


SAMPLERS = {
    "sparse": lambda: samplers.Sparse(0.5, 2),
    "low-rank": lambda: samplers.LowRankSampler(2, 3),
    "small-weights": lambda: samplers.SmallWeights(0.5),
    "again": lambda: lambda params, t, seed, base: Noise(7),  # the same in all steps
    "laws": lambda: lambda params, t, seed, base: Noise(seed, ("gaussian", "rademacher")[t % 2]),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_saving_changes_no_bit_with_any_sampler(name, monkeypatch):
    def mine(lr: float = 1e-2) -> ComposedEstimator:
        return ComposedEstimator(SAMPLERS[name](), Central(1e-2), SGD(lr))

    monkeypatch.setitem(estimators._entries, "mine", Entry("mine", mine))
    ends = []
    for saves in (False, True):
        model = net()
        opt, closure = ZerothOrder(model, "mine", seed=4, delay=True), loss_of(model)
        for t in range(7):
            opt.step(closure)
            if saves and t == 2:
                saved = through_a_file(opt.state_dict())
            if saves and t == 4:  # and back
                opt.flush()
        opt.flush()
        ends.append(model)
    assert equal(*ends)
    ZerothOrder(net(), "mine").load_state_dict(saved)


def test_moves_that_are_delayed_and_errors_replay_too(tmp_path):
    path, model = tmp_path / "run.zo", net()
    start = copy.deepcopy(model)
    opt = ZerothOrder(model, lr=1e-3, eps=0.1, on_nonfinite="skip", delay=True)
    opt.record(path)
    for t in range(30):
        opt.step(lambda t=t: math.nan if t % 10 == 4 else loss_of(model)())
        if t % 10 == 8:
            with pytest.raises(BadInput):
                opt.step(lambda: None)
    opt.close()
    assert replay(path, start) == 27
    assert equal(start, model)


def test_a_record_is_small_and_one_cut_short_replays_what_it_has(tmp_path):
    path, model = tmp_path / "run.zo", net()
    start = copy.deepcopy(model)
    opt = ZerothOrder(model, lr=1e-3)
    opt.record(path)
    head = path.stat().st_size
    steps(opt, model, 400)
    assert path.stat().st_size - head < 45 * 400
    (tmp_path / "cut.zo").write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.warns(RuntimeWarning, match="cut off"):
        assert 100 < replay(tmp_path / "cut.zo", copy.deepcopy(start)) < 300
    assert replay(path, start) == 400
    assert equal(start, model)


def test_a_record_may_begin_in_the_middle(tmp_path):
    path, model = tmp_path / "run.zo", net()
    opt = ZerothOrder(model, "zo-momentum", replay=5, lr=0.01)
    steps(opt, model, 4)
    middle = copy.deepcopy(model)
    opt.record(path)
    steps(opt, model, 4)
    replay(path, middle)
    assert equal(middle, model)


def test_what_a_record_refuses(tmp_path):
    path, model = tmp_path / "run.zo", net()
    opt = ZerothOrder(model, "zo-adam", lr=0.01)
    steps(opt, model, 2)
    with pytest.raises(BadInput, match="from its first step"):
        opt.record(path)
    opt = ZerothOrder(model, lr=0.01)
    opt.record(path)
    with pytest.raises(BadInput, match="recorded already"):
        opt.record(tmp_path / "other.zo")
    with pytest.raises(BadInput, match="before loading"):
        opt.load_state_dict(opt.state_dict())
    with pytest.raises(BadInput, match="exists"):
        ZerothOrder(net(), lr=0.01).record(path)
    steps(opt, model, 2)
    with pytest.raises(BadInput, match="not those"):
        replay(path, model)  # where it ended, not where it began
    with pytest.raises(BadInput, match=r"has no parameter '2.weight'"):
        replay(path, net()[:1])
    with pytest.raises(BadInput, match="bfloat16"):
        replay(path, net(torch.bfloat16))
    (tmp_path / "no.zo").write_text("no record")
    with pytest.raises(BadInput, match="not a record of a run"):
        replay(tmp_path / "no.zo", net())


def test_a_state_of_something_else_is_refused():
    model = net()
    saved = ZerothOrder(model, lr=0.1).state_dict()
    with pytest.raises(BadInput, match="of estimator mezo"):
        ZerothOrder(model, "spsa").load_state_dict(saved)
    with pytest.raises(BadInput, match="other names, shapes or types"):
        ZerothOrder(net()[:3]).load_state_dict(saved)
    with pytest.raises(BadInput, match="not the state of a ZerothOrder"):
        ZerothOrder(model).load_state_dict(torch.optim.SGD(model.parameters()).state_dict())
    with pytest.raises(BadInput, match="state_dict"):
        copy.deepcopy(ZerothOrder(model))


def test_values_come_back_and_what_cannot_be_saved_says_so():
    from collections import deque

    from zobench.core.directions import Noise, Recipe, Restricted

    direction = Recipe(((0.5, Restricted(Noise(2**62), frozenset([1, 3]))),))
    values = [None, True, -3, math.inf, "word", (1, [2.5]), deque([direction]), {4: {5}}]
    assert restore.decode(through_a_file(state.encode(values, "x"))) == values
    with pytest.raises(BadInput, match="mine: part is a Event, which cannot be saved"):
        state.Writer(Entry("mine", SimpleNamespace)).attributes(
            SimpleNamespace(part=threading.Event())
        )
    remembered: list[int] = []
    with pytest.raises(BadInput, match="holds a list"):
        state.Writer(Entry("mine", SimpleNamespace)).attributes(
            SimpleNamespace(draw=lambda: remembered)
        )


OWN = """
from zobench.core.directions import Noise
from zobench.core.seeds import fold

class Downhill:
    def __init__(self, lr):
        self.lr = lr
    def start(self, params, seed):
        self.params, self.seed, self.t = params, seed, 0
    def step(self, evaluate):
        d = Noise(fold(self.seed, self.t))
        plus, minus = evaluate([(1e-3, d), (-1e-3, d)])
        self.params.add(-self.lr if plus > minus else self.lr, d)
        self.t += 1

def downhill(lr: float = 1e-2) -> Downhill:
    return Downhill(lr)
"""


def test_an_estimator_of_the_users_own_file(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    name, model = f"{tmp_path / 'own.py'}:downhill", net()
    start, before = copy.deepcopy(model), loss_of(model)().item()
    opt = ZerothOrder(model, name)
    opt.record(tmp_path / "run.zo")
    steps(opt, model, 60)
    assert loss_of(model)().item() < 0.8 * before
    assert replay(tmp_path / "run.zo", start) == 60
    assert equal(start, model)
    resumed = ZerothOrder(start, name)
    resumed.load_state_dict(through_a_file(opt.state_dict()))
    opt.param_groups[0]["lr"] = resumed.param_groups[0]["lr"] = 1e-3
    steps(opt, model, 5)
    steps(resumed, start, 5)
    assert equal(start, model)
    assert (start[0].weight - net()[0].weight).abs().max() > 0.01
