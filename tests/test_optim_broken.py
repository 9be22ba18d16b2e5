"""A step that breaks off anywhere leaves the weights at the point, or moves them as a whole."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from optim_tools import loss_of, net, raw

import zobench
from zobench.core.directions import LowRank, Noise, RandomMask
from zobench.engine.tensors import TensorParams
from zobench.optim import ZerothOrder, replay


@pytest.fixture(autouse=True)
def interrupts():
    """Ctrl-C raises KeyboardInterrupt, also where the shell made processes ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


OWN = '''
"""Probes along a direction of its own, whose arrays may change, and moves along another."""
import numpy as np

from zobench.registry import estimators

class Wave:
    """Not frozen: moves along it are written at once, chunk by chunk."""

    calls, at, error = 0, None, RuntimeError

    def __init__(self, phase):
        self.phase = phase

    def expand(self, block):
        self.tell()
        return ((1.0, self),)

    def add(self, out, scale, block, start):
        self.tell()
        out += scale * np.sin(self.phase + start + np.arange(len(out)))

    def tell(self):
        Wave.calls += 1
        if Wave.calls == Wave.at:
            raise Wave.error("here")

class Own:
    def start(self, params, seed):
        self.params, self.t = params, 0

    def step(self, evaluate):
        self.t += 1
        probe, move = Wave(self.t), Wave(self.t + 0.5)
        up, down = evaluate([(0.1, probe), (-0.1, probe)])
        self.params.add(1e-3 * (down - up), move)

@estimators.register("wave-steps")
def wave():
    """Steps along waves."""
    return Own()
'''


class Stop(BaseException):
    """What no `except Exception` catches."""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "wave.py"
    path.write_text(OWN)
    return f"{path}:wave-steps"


def wave_of(optimizer: ZerothOrder) -> type:
    return sys.modules[type(optimizer._engine.estimator).__module__].Wave


def near(one: torch.Tensor, other: torch.Tensor, dtype=torch.float32) -> bool:
    return bool(
        (one - other).abs().max()
        <= (16 if dtype == torch.float32 else 4) * torch.finfo(dtype).eps * (1 + other.abs().max())
    )


@pytest.mark.parametrize("delay", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_own_direction_that_raises_anywhere(own, dtype, error, delay):
    def made():
        model = net(dtype, width=300)  # a weight of two chunks
        return model, ZerothOrder(model, own, delay=delay, check=False)

    model, optimizer = made()
    Wave, loss = wave_of(optimizer), loss_of(model)
    start = raw(model)
    Wave.calls, Wave.at, Wave.error = 0, None, error
    optimizer.step(loss)
    count = Wave.calls
    assert count > 20
    for at in range(1, count + 1, 5):
        model, optimizer = made()
        Wave.calls, Wave.at = 0, at
        with pytest.raises(error, match="here"):
            optimizer.step(loss_of(model))
        assert near(raw(model), start, dtype), at
        assert not optimizer._weights.waiting
        optimizer.step(loss_of(model))  # and goes on
    Wave.at = None


WRITES = {
    "zobench.core.noise.interface.accumulate_blocks": (Noise(1), RandomMask(Noise(7), 2, 0.5)),
    "zobench.engine.tensors.store": (RandomMask(Noise(1), 2, 0.5), Noise(7)),
    "zobench.engine.low_rank.store": (LowRank(1, 2, 2), LowRank(7, 2, 2)),
}


@pytest.mark.parametrize("wrong", [RuntimeError, Stop])
@pytest.mark.parametrize("where", WRITES)
def test_a_write_that_fails_is_taken_back(monkeypatch, where, wrong):
    """At each of the writes of a flush in two layers."""
    first, second = WRITES[where]
    module, _, name = where.rpartition(".")
    real = getattr(sys.modules[module], name)
    dtype = torch.bfloat16 if "low_rank" in where else torch.float32

    def params():
        with torch.random.fork_rng():
            torch.manual_seed(0)
            tensors = [torch.randn(300, 300).to(dtype), torch.randn(7, 5).to(dtype)]
            tensors.append(torch.randn(6, 4).to(dtype).T)
        return TensorParams([(f"w{k}", t) for k, t in enumerate(tensors)])

    for at in range(20):
        here, calls = params(), 0
        before = here.flat()

        def failing(*args, at=at, **kwargs):
            nonlocal calls
            calls += 1
            if calls == at + 1:
                raise wrong("here")
            return real(*args, **kwargs)

        monkeypatch.setattr(where, failing)
        here.add(0.25, first)
        here.seal()
        broke = False
        try:
            with here.probed(0.5, second):
                pass
        except wrong:
            broke = True
        monkeypatch.setattr(where, real)
        here.home()
        expected = params()
        expected.add(0.25, first)
        tolerance = 0.1 if dtype is torch.bfloat16 else 1e-5
        assert np.allclose(here.flat(), expected.flat(), atol=tolerance), at
        assert not np.allclose(before, expected.flat(), atol=tolerance)
        if not broke:
            break
    assert at  # one write at least broke


@contextmanager
def signal_at(line: int) -> Iterator[list[int]]:
    """Ctrl-C before the line of zobench that is the `line`-th to run inside. Gives how many ran."""
    ran, root = [0], str(Path(zobench.__file__).parent)
    skipped = ("unbroken.py",)

    def lines(frame, event, _):
        if event == "line":
            ran[0] += 1
            if ran[0] == line:
                signal.raise_signal(signal.SIGINT)
        return lines

    def calls(frame, event, _):
        name = frame.f_code.co_filename
        return lines if name.startswith(root) and not name.endswith(skipped) else None

    sys.settrace(calls)
    try:
        yield ran
    finally:
        sys.settrace(None)


@pytest.mark.parametrize(
    ("estimator", "given"),
    [
        ("mezo", {}),
        ("mezo", {"delay": True}),
        ("mezo", {"realisation": "scratch"}),
        ("mezo", {"realisation": "paired"}),
        ("lozo", {}),
        ("zo-adam", {}),
        ("own", {}),
    ],
)
def test_ctrl_c_anywhere_in_a_step(own, estimator, given):
    name = own if estimator == "own" else estimator

    def made():
        model = net()
        settings = {"lr": 0.1, "eps": 0.1, "weight_decay": 0.5} if estimator != "own" else {}
        optimizer = ZerothOrder(model, name, check=False, **given, **settings)
        if estimator == "own":
            wave_of(optimizer).at = None
        optimizer.step(loss_of(model))
        optimizer.flush()
        return model, optimizer

    model, optimizer = made()
    start = raw(model)
    with signal_at(0) as ran:
        optimizer.step(loss_of(model))
    optimizer.flush()
    end, count = raw(model), ran[0]
    assert not near(start, end)
    draw = np.random.default_rng(0)
    stopped = 0
    for at in sorted(set(draw.integers(1, count + 1, 40).tolist())):
        model, optimizer = made()
        try:
            with signal_at(at):
                optimizer.step(loss_of(model))
        except KeyboardInterrupt:
            stopped += 1
        if given.get("delay"):
            optimizer.flush()
        now = raw(model)  # nothing else is asked to flush
        assert near(now, start) or near(now, end), at
        assert all("forward" not in part.__dict__ for part in model.modules())
        loss = optimizer.step(loss_of(model))
        assert np.isfinite(loss)
    assert stopped > 25
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_direction_that_goes_on_raising_is_undone_when_it_ends_to():
    """The way back is along it: until it can be made, each step tries again."""
    model = net()
    optimizer = ZerothOrder(model, "mezo", check=False, eps=0.1)
    before = raw(model)

    def loss():
        raise RuntimeError("here")

    real = TensorParams.write_all

    def failing(*args):
        raise MemoryError("there")

    def once():
        TensorParams.write_all = failing
        raise RuntimeError("here")

    try:
        with pytest.raises(MemoryError, match="there"):
            optimizer.step(once)
    finally:
        TensorParams.write_all = real
    assert not near(raw(model), before)
    with pytest.raises(RuntimeError, match="here"):
        optimizer.step(loss)
    assert near(raw(model), before)


def test_a_record_ends_where_a_step_was_stopped(tmp_path):
    model = net()
    optimizer = ZerothOrder(model, "mezo", lr=0.1)
    optimizer.record(tmp_path / "r")
    optimizer.step(loss_of(model))
    expected = raw(model)

    def stopped():
        raise KeyboardInterrupt

    with pytest.warns(RuntimeWarning, match="ends here"), pytest.raises(KeyboardInterrupt):
        optimizer.step(stopped)
    again = net()
    replay(tmp_path / "r", again)
    assert near(raw(again), expected)
    optimizer.step(loss_of(model))
    optimizer.record(tmp_path / "s")
    with pytest.raises(ZeroDivisionError):  # and errors of other kinds end none
        optimizer.step(lambda: 1 / 0)
    assert optimizer._engine.journal


def test_handlers_set_inside_of_a_closure_stay():
    model = net()
    optimizer, came = ZerothOrder(model), []

    def loss():
        signal.signal(signal.SIGTERM, lambda *_: came.append(1))
        return loss_of(model)()

    before = signal.signal(signal.SIGTERM, lambda *_: came.append(2))
    try:
        optimizer.step(loss)
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert came == [1]
