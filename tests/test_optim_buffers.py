"""Buffers of a user's module: after a step they are what one forward makes of them."""

import copy
import math

import pytest
import torch
from optim_tools import X, Y
from torch import nn

from zobench.errors import BadInput
from zobench.optim import ZerothOrder

pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:paired"),  # modules that read the whole batch
]

SETTINGS = {
    "mezo": {"lr": 0.0, "eps": 1e-3},
    "mezo-bcd": {"lr": 0.0, "eps": 1e-3, "dwell": 1},
    "zo-adam": {"lr": 0.0, "eps": 1e-3, "n": 8},
    "zo-sgd": {"lr": 0.0, "eps": 1e-3, "scheme": "forward", "n": 4},
    "cma-es": {"sigma": 1e-4},
}


class Counting(nn.Module):
    """Buffers of all kinds: written in place, through a view or .data, replaced, made late."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.register_buffer("count", torch.zeros((), dtype=torch.long), persistent=False)
        self.register_buffer("calls", torch.zeros(2))
        self.register_buffer("queue", torch.zeros(3, 8))
        self.register_buffer("hidden", torch.zeros(()))
        self.register_buffer("late", None)
        self.register_buffer("wide", torch.zeros(1).expand(4))  # cannot be written in place
        self.register_buffer("fixed", torch.ones(8))

    def forward(self, x):
        self.count += 1
        self.calls = self.calls + 1
        self.queue[int(self.count) % 3] += x.detach().mean(0)
        self.hidden.data.add_(1)
        self.late = torch.ones(2) if self.late is None else self.late + 1
        if not hasattr(self, "later"):
            self.register_buffer("later", torch.zeros(1))
        self.later += 1
        return self.linear(x) * self.fixed + self.wide.sum() + self.hidden * 0.1


def bare() -> nn.BatchNorm1d:
    norm = nn.BatchNorm1d(8)
    norm.num_batches_tracked = None  # torch writes the others without a word
    return norm


class Silent(nn.Module):
    """Its buffer changes behind the counter of writes."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.register_buffer("mean", torch.zeros(8))

    def forward(self, x):
        self.mean.data.lerp_(x.detach().mean(0), 0.5)
        return self.linear(x - self.mean)


LAYERS = {
    "batch norm": lambda: nn.BatchNorm1d(8),
    "without a count": bare,
    "of 16 bits": lambda: nn.BatchNorm1d(8).bfloat16(),
    "cumulative": lambda: nn.BatchNorm1d(8, momentum=None),
    "spectral norm": lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8)),
    "older spectral norm": lambda: nn.utils.spectral_norm(nn.Linear(8, 8)),
    "counting": Counting,
    "silent": Silent,
    "scripted": lambda: torch.jit.script(nn.BatchNorm1d(8)),
}


class Widened(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        kinds = {p.dtype for p in self.inner.parameters()}
        return self.inner(x.to(kinds.pop())).float()


class Net(nn.Module):
    def __init__(self, kind: str):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.first = nn.Linear(4, 8)
            self.layers = nn.ModuleList([Widened(LAYERS[kind]()), nn.Linear(8, 8)])
            self.last = nn.Linear(8, 1)

    def forward(self, x):
        x = self.first(x)
        for layer in self.layers:
            x = layer(x).tanh()
        return self.last(x)


def loss_of(model, at=slice(None)):
    return lambda rows=at: ((model(X[rows]) - Y[rows]) ** 2).mean()


def buffers(model) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.named_buffers()}


def close(a, b, atol=1e-2) -> bool:
    same = a.keys() == b.keys()
    return same and all(torch.allclose(a[n].float(), b[n].float(), atol=atol) for n in a)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("estimator", SETTINGS)
def test_a_step_writes_them_as_one_forward(kind, estimator):
    ours, plain = Net(kind), Net(kind)
    opt = ZerothOrder(ours, estimator, **SETTINGS[estimator])
    for t in range(3):
        rows = slice(16 * t, 16 * t + 16)
        opt.step(loss_of(ours, rows))
        with torch.no_grad():
            loss_of(plain, rows)()
        assert close(buffers(ours), buffers(plain))


@pytest.mark.parametrize(
    "given",
    [
        {"realisation": "scratch"},
        {"realisation": "paired"},
        {"delay": True},
        {"reuse_prefix": True},
        {"realisation": "scratch", "reuse_prefix": True},
        {"check": False},
    ],
    ids=str,
)
def test_so_in_all_realisations_and_with_micro_batches(given):
    kind = "counting" if "scratch" in given.values() else "batch norm"
    ours, plain = Net(kind), Net(kind)
    opt = ZerothOrder(ours, "mezo-bcd", lr=0.0, eps=1e-3, dwell=1, order="ascending", **given)
    parts = [slice(0, 24), slice(24, 64)]
    for _ in range(6):
        opt.step(loss_of(ours), micro_batches=parts)
        with torch.no_grad():
            for rows in parts:
                loss_of(plain)(rows)
    assert close(buffers(ours), buffers(plain))
    opt.flush()


@pytest.mark.parametrize("kind", ["batch norm", "counting", "silent"])
@pytest.mark.parametrize(
    "given",
    [{}, {"realisation": "scratch"}, {"realisation": "paired"}],
    ids=["walk", "scratch", "paired"],
)
def test_a_step_that_fails_leaves_them(kind, given):
    model = Net(kind)
    opt = ZerothOrder(model, "mezo", lr=1e-2, **given)
    for step in range(2):
        before = buffers(model)
        with pytest.raises(FloatingPointError):
            opt.step(lambda: loss_of(model)() * math.nan)
        assert close(before, buffers(model), atol=0)
        with pytest.raises(BadInput, match="returned None"):
            opt.step(lambda: print(loss_of(model)(), end=""))
        assert close(before, buffers(model), atol=0)
        with pytest.raises(KeyboardInterrupt):
            opt.step(lambda: (loss_of(model)(), interrupt()))
        assert close(before, buffers(model), atol=0)
        if not step:
            opt.step(loss_of(model))
    skipping = ZerothOrder(model, "mezo", on_nonfinite="skip", **given)
    skipping.step(lambda: loss_of(model)() * math.nan)
    assert skipping.skipped == 1
    assert close(before, buffers(model), atol=0)


def interrupt():
    raise KeyboardInterrupt


REALISED = [
    {},
    {"delay": True},
    {"realisation": "scratch"},
    {"realisation": "paired"},
    {"realisation": "scratch", "check": False},
    {"reuse_prefix": True},
    {"realisation": "scratch", "reuse_prefix": True},
]


@pytest.mark.parametrize("kind", ["batch norm", "cumulative", "counting", "silent"])
@pytest.mark.parametrize("given", REALISED, ids=str)
def test_calls_that_check_the_closure_leave_nothing_behind(kind, given):
    """The first step writes what the first probe left, and a resumed run goes on bit for bit."""
    blocks = {"estimator": "mezo-bcd", "dwell": 1, "order": "ascending"}
    given = {"lr": 0.05, "eps": 0.5, **(blocks if "reuse_prefix" in given else {}), **given}
    model, plain = Net(kind), Net(kind)
    opt = ZerothOrder(model, **given)
    unchecked = {"realisation": "walk", "check": False, "delay": False, "reuse_prefix": False}
    walk = ZerothOrder(plain, **given | unchecked)
    for step in range(5):
        if step:
            state, twin = opt.state_dict(), copy.deepcopy(model)
            resumed = ZerothOrder(twin, **given)
            resumed.load_state_dict(state)
            assert opt.step(loss_of(model)) == resumed.step(loss_of(twin))
            assert all(map(torch.equal, model.buffers(), twin.buffers()))
        else:
            opt.step(loss_of(model)), walk.step(loss_of(plain))
            assert close(buffers(model), buffers(plain), atol=1e-5)


def test_checks_leave_no_nan_in_large_ones(monkeypatch):
    from zobench.engine import buffers as module

    monkeypatch.setattr(module, "MANY", 100)
    monkeypatch.setattr(module, "LARGE", 40)
    ours, plain = Net("counting"), Net("counting")
    opt = ZerothOrder(ours, "mezo", lr=0.0, eps=1e-3, realisation="scratch")
    opt.step(loss_of(ours))
    assert all(bool(buffer.isfinite().all()) for buffer in ours.buffers())
    with torch.no_grad():
        loss_of(plain)()
    rest = {"layers.0.inner.queue": ours.layers[0].inner.queue}  # written by the check too
    assert close(buffers(ours), buffers(plain) | rest)


def test_evaluation_before_training_and_writes_of_the_user():
    """What was not written in the first steps may be written later, here or elsewhere."""
    for kind in LAYERS:
        ours, plain = Net(kind), Net(kind)
        opt = ZerothOrder(ours, "mezo", lr=0.0, eps=1e-3)
        for model in (ours, plain):
            model.eval()
        opt.step(loss_of(ours)), loss_of(plain)()
        with torch.no_grad():
            for model in (ours, plain):
                model.train()
                model(X)
                for buffer in model.buffers():
                    if 0 not in buffer.stride() and buffer.is_floating_point():
                        buffer.mul_(0.5)
            for _ in range(2):
                opt.step(loss_of(ours)), loss_of(plain)()
        if kind == "counting":
            assert int(ours.layers[0].inner.count) == 4
        assert close(buffers(ours), buffers(plain)), kind


def test_many_large_ones_are_copied_when_they_were_written(monkeypatch):
    from zobench.engine import buffers as module

    monkeypatch.setattr(module, "MANY", 100)
    monkeypatch.setattr(module, "LARGE", 40)
    ours, plain = Net("counting"), Net("counting")
    opt = ZerothOrder(ours, "zo-adam", lr=0.0, eps=1e-3, n=4)
    for _ in range(3):
        opt.step(loss_of(ours))
        with torch.no_grad():
            loss_of(plain)()
        assert close(buffers(ours), buffers(plain))
    copied = {name for part in opt._buffers._parts for name in part.copies}
    assert "queue" in copied
    assert "fixed" in copied or ours.layers[0].inner.fixed.nbytes <= 40


def test_what_nobody_writes_is_never_copied_again():
    model = nn.Sequential(nn.Linear(4, 1))
    model.register_buffer("frequencies", torch.randn(5))
    version = model.frequencies._version
    opt = ZerothOrder(model)
    opt.step(lambda: ((model(X) - Y) ** 2).mean())
    (kept,) = (p.copies["frequencies"] for p in opt._buffers._parts if p.copies)
    opt.step(lambda: ((model(X) - Y) ** 2).mean())
    (again,) = (p.copies["frequencies"] for p in opt._buffers._parts if p.copies)
    assert kept is again
    assert model.frequencies._version == version


def test_the_losses_of_a_pair_begin_with_the_same_buffers():
    model = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4))
    seen = []

    def closure():
        seen.append(model.parametrizations.weight[0]._u.clone())
        return model(X).square().mean()

    opt = ZerothOrder(model, "mezo", check=False)
    opt.step(closure)
    assert torch.equal(seen[0], seen[1])
    opt.step(closure)
    assert not torch.equal(seen[1], seen[2])


WIDE = torch.randn(16, 8, generator=torch.Generator().manual_seed(2))


class Flat(nn.Module):
    """Its weights are views of a buffer, as where all weights lie in one piece of memory."""

    def __init__(self, shared):
        super().__init__()
        flat = 0.3 * torch.randn(72, generator=torch.Generator().manual_seed(0))
        weight, bias = flat[:64].view(8, 8), flat[64:]
        if shared:
            self.register_buffer("flat", flat)
        self.weight = nn.Parameter(weight.detach() if shared else weight.clone())
        self.bias = nn.Parameter(bias.detach() if shared else bias.clone())

    def forward(self, x):
        return torch.tanh(nn.functional.linear(x, self.weight, self.bias))


@pytest.mark.parametrize("delay", [False, True])
def test_a_buffer_that_is_weights_too_moves_with_them(delay):
    ends = []
    for shared in (False, True):
        model = Flat(shared)
        opt = ZerothOrder(model, "mezo", lr=0.05, eps=1e-3, delay=delay)
        for _ in range(5):
            opt.step(lambda net=model: (net(WIDE) - 0.5).square().mean())
        opt.flush()
        ends.append(model)
    for one, other in zip(*(model.parameters() for model in ends)):
        assert torch.equal(one, other)
    assert torch.equal(ends[1].flat[:64], ends[1].weight.detach().flatten())


@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
@pytest.mark.parametrize("layout", ["coo", "csr"])
def test_sparse_buffers_are_left_alone(layout):
    model = nn.Linear(8, 8)
    eye = torch.eye(8)
    model.register_buffer("graph", eye.to_sparse() if layout == "coo" else eye.to_sparse_csr())
    kept = model.graph
    opt = ZerothOrder(model, "mezo", lr=1e-2)
    for _ in range(3):
        opt.step(lambda: (model(WIDE) - 0.5).square().mean())
    assert model.graph is kept


def test_writes_without_a_word_are_found_when_training_begins():
    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(8, 8)
            self.register_buffer("mean", torch.zeros(8))
            self.register_buffer("var", torch.ones(8))

        def forward(self, x):
            z = self.linear(x)
            return nn.functional.batch_norm(z, self.mean, self.var, training=self.training)

    model = Normed().eval()
    opt = ZerothOrder(model, "mezo", lr=0.0, eps=1e-6)
    opt.step(lambda: (model(WIDE) - 0.5).square().mean())
    model.train()
    opt.step(lambda: (model(WIDE) - 0.5).square().mean())
    once = Normed()
    once.linear.load_state_dict(model.linear.state_dict())
    once(WIDE)
    assert torch.allclose(model.var, once.var, atol=1e-4)


class Cached(nn.Module):
    """Makes a buffer at its first call, and writes it in place at all calls."""

    def __init__(self, large=False):
        super().__init__()
        self.linear, self.large = nn.Linear(8, 8), large

    def forward(self, x):
        if not hasattr(self, "seen"):
            self.register_buffer("seen", torch.zeros(8))
            self.register_buffer("still", torch.ones(8))
        self.seen += x.mean(0)
        return self.linear(x - 0.1 * self.seen) * self.still


@pytest.mark.parametrize("kind", ["cached", "batch norm", "counting"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "in a step"])
@pytest.mark.parametrize("realisation", ["walk", "scratch", "paired"])
def test_those_that_are_made_in_inference_mode(monkeypatch, kind, before, realisation):
    monkeypatch.setitem(LAYERS, "cached", Cached)
    ours, plain = Net(kind), Net(kind)

    def inferring(model, rows, wrong=False):
        def closure():
            with torch.inference_mode():
                loss = loss_of(model, rows)()
            return 1 / 0 if wrong else loss

        return closure

    if before:
        inferring(ours, slice(4))(), inferring(plain, slice(4))()
    opt = ZerothOrder(ours, "mezo", lr=0.0, eps=1e-3, n=3, realisation=realisation)
    for t in range(3):
        rows = slice(16 * t, 16 * t + 16)
        opt.step(inferring(ours, rows))
        inferring(plain, rows)()
        assert close(buffers(ours), buffers(plain))
    kept = buffers(ours)
    with pytest.raises(ZeroDivisionError):
        opt.step(inferring(ours, slice(16), wrong=True))
    assert close(kept, buffers(ours), 0.0)
    assert opt.step(inferring(ours, slice(16))) == pytest.approx(
        float(inferring(plain, slice(16))()), abs=1e-2
    )
