"""Contexts of torch around a step, and closures that compute gradients or differ between calls."""

import random
from contextlib import ExitStack, nullcontext

import numpy as np
import pytest
import torch
from optim_tools import X, Y, loss_of, net, raw
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from zobench.errors import BadInput
from zobench.optim import ZerothOrder

LR, EPS = 0.02, 0.05


def autocast(dtype=torch.bfloat16, **given):
    return torch.autocast("cpu", dtype=dtype, **given)


def nested():
    stack = ExitStack()
    stack.enter_context(autocast())
    stack.enter_context(autocast(enabled=False))
    stack.enter_context(autocast())
    return stack


def losses(model, steps=6, inner=nullcontext, each=nullcontext, loop=nullcontext, **given):
    """Of some steps, and of the point afterwards, read inside the context of the loop."""
    seen = []
    opt = ZerothOrder(model, **{"lr": LR, "eps": EPS} | given)

    def closure():
        with inner():
            seen.append(((model(X).float() - Y) ** 2).mean())
        return seen[-1]

    with loop():
        for _ in range(steps):
            with each():
                opt.step(closure)
        with torch.no_grad():
            closure()
    opt.flush()
    return torch.stack(seen), raw(model)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"delay": True},
        {"realisation": "scratch"},
        {"realisation": "paired"},
        {"estimator": "zo-adam", "n": 2},
        {"estimator": "mezo-bcd", "dwell": 1},
        {"estimator": "random-search"},
    ],
    ids=str,
)
@pytest.mark.parametrize("where", ["each", "loop"])
@pytest.mark.parametrize("context", [autocast, nested])
def test_autocast_around_a_step_is_autocast_inside_the_closure(given, where, context):
    if given.get("estimator") == "random-search":
        given = given | {"sigma": 0.1}
    keep = {"lr", "eps"} if "sigma" not in given else set()
    own = {k: v for k, v in (("lr", LR), ("eps", EPS)) if k in keep}
    found = []
    for how in ({"inner": context}, {where: context}):
        found.append(run(how, given | own))
    if where == "each":  # the last reading is outside of it
        found = [(seen[:-1], weights) for seen, weights in found]
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    pairs = found[1][0]
    assert len(set(pairs.tolist())) > len(pairs) // 2


def run(how, given):
    model = net()
    if "sigma" in given:
        seen, opt = [], ZerothOrder(model, **given)
        context = next(iter(how.values()))

        def closure():
            with context() if "inner" in how else nullcontext():
                seen.append(loss_of(model)())
            return seen[-1]

        with context() if "loop" in how else nullcontext():
            for _ in range(4):
                with context() if "each" in how else nullcontext():
                    opt.step(closure)
            closure()
        return torch.stack(seen).detach(), raw(model)
    return losses(model, **how, **given)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_adapters_under_autocast():
    peft = pytest.importorskip("peft")
    from zobench.objectives.llm.models import random_opt

    ids = torch.arange(3, 19).view(2, 8)
    found = []
    for inside in (True, False):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], r=2)
            model = peft.get_peft_model(random_opt(2, 16, 32, 2, 32), config)
        opt = ZerothOrder(model, lr=0.5, eps=0.1)

        def closure(model=model, inside=inside):
            with autocast() if inside else nullcontext():
                return model(input_ids=ids, labels=ids).loss.float()

        with nullcontext() if inside else autocast():
            for _ in range(4):
                opt.step(closure)
        found.append(raw(model))
    assert torch.equal(*found)


@pytest.mark.parametrize("where", ["each", "loop"])
@pytest.mark.parametrize("delay", [False, True])
def test_cached_parametrisations_are_made_again(where, delay):
    found = []
    for how in ({}, {where: parametrize.cached}):
        torch.manual_seed(0)
        model = nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 8)), nn.Linear(8, 1))
        found.append(losses(model, delay=delay, **how))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


@pytest.mark.parametrize("estimator", ["mezo", "zo-adam"])
def test_inference_mode_around_a_step_leaves_nothing_of_it(estimator):
    found = []
    for inside in (False, True):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
        opt = ZerothOrder(model, estimator, lr=LR, eps=EPS)
        for t in range(4):
            with torch.inference_mode() if inside and t % 2 == 0 else nullcontext():
                opt.step(loss_of(model))
        found.append(raw(model))
    assert torch.equal(*found)


# ------------------------------------------------------------------ gradients


def backward(model):
    with torch.enable_grad():
        loss = loss_of(model)()
        loss.backward()
    return loss.detach()


def enabled(model):
    torch.set_grad_enabled(True)
    return loss_of(model)().item()


def recorded(model):
    with torch.enable_grad():
        return loss_of(model)()


@pytest.mark.parametrize("closure", [backward, enabled, recorded])
@pytest.mark.parametrize(
    "given", [{}, {"realisation": "scratch"}, {"realisation": "paired"}, {"check": False}], ids=str
)
def test_a_closure_that_computes_gradients_is_told(closure, given):
    model = net()
    before = raw(model)
    calls = 0

    def counted():
        nonlocal calls
        calls += 1
        return closure(model)

    opt = ZerothOrder(model, lr=LR, eps=EPS, **given)
    for again in (1, 2):
        with pytest.raises(BadInput, match=r"^the closure computes gradients .* loss alone"):
            opt.step(counted)
        assert calls == again
    assert torch.allclose(raw(model), before, atol=1e-5)
    assert torch.is_grad_enabled()


def test_gradients_that_are_part_of_a_loss_and_those_of_other_tensors_are_none_of_ours():
    """A derivative by the inputs; a head that is trained by gradients in the closure."""
    model, head = net(), nn.Linear(1, 1)
    model[0].weight.grad = torch.ones(16, 4)  # of earlier days

    def closure():
        with torch.enable_grad():
            x = X.clone().requires_grad_()
            (slope,) = torch.autograd.grad(model(x).sum(), x)
        with torch.enable_grad():
            head(model(X).detach()).square().mean().backward()
        return slope.square().mean() + loss_of(model)()

    opt = ZerothOrder(model, lr=LR, eps=EPS)
    assert all(opt.step(closure) > 0 for _ in range(2))
    assert head.weight.grad is not None


# ------------------------------------------------------------------ other losses at one point


def minibatches():
    order = iter(range(1000))
    return lambda: slice(next(order) % 8 * 8, None)


ROWS = {
    "numpy": lambda: lambda: torch.from_numpy(np.random.permutation(64)[:16]),  # noqa: NPY002
    "random": lambda: lambda: random.sample(range(64), 16),
    "iterator": minibatches,
}


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"realisation": "scratch"},
        {"realisation": "paired"},
        {"estimator": "mezo-bcd", "reuse_prefix": True},
        {"estimator": "zo-sgd", "n": 4},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:paired")  # other inputs at each probe
def test_a_closure_that_differs_between_two_calls_is_told(rows, given):
    draw, model = rows(), Stacked()
    before = raw(model)

    def closure():
        chosen = draw()
        return ((model(X[chosen]) - Y[chosen]) ** 2).mean()

    opt = ZerothOrder(model, **given)
    for _ in range(2):
        with pytest.raises(BadInput, match=r"gave two losses at one point, .* check=False"):
            opt.step(closure)
    assert torch.allclose(raw(model), before, atol=1e-5)
    if "reuse_prefix" not in given:
        ZerothOrder(model, check=False, **given).step(closure)


class Stacked(nn.Module):
    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
            self.drop, self.head = nn.Dropout(0.5), nn.Linear(4, 1)

    def forward(self, x):
        for layer in self.layers:
            x = self.drop(layer(x).tanh())
        return self.head(x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_the_check_is_one_call_and_changes_nothing(dtype):
    ends = []
    for check in (True, False):
        model, calls = Stacked().to(dtype), 0

        def closure(model=model):
            nonlocal calls
            calls += 1
            return ((model(X.to(dtype)).float() - Y) ** 2).mean()

        torch.manual_seed(3)
        opt = ZerothOrder(model, lr=LR, eps=EPS, check=check, stochastic_rounding=True)
        found = [opt.step(closure) for _ in range(3)]
        assert calls == 6 + check
        assert opt.queries == 6
        ends.append((found, raw(model)))
    assert ends[0][0] == ends[1][0]
    assert torch.equal(ends[0][1], ends[1][1])


@pytest.mark.parametrize("frozen", [False, True], ids=["all", "adapter"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_other_rows_are_told_however_few_bits_the_weights_have(dtype, frozen):
    """Rows whose losses differ by less than the rounding of the weights."""
    torch.manual_seed(0)
    model, calls = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).to(dtype), 0
    if frozen:
        model[2].float()
        model[0].requires_grad_(False)

    def closure(apart=1e-4):
        nonlocal calls
        calls += 1
        hidden = model[1](model[0](X.to(dtype))).to(model[2].weight.dtype)
        return ((model[2](hidden).float() - Y) ** 2).mean() * (1 + apart * (calls % 2))

    with pytest.raises(BadInput, match="gave two losses at one point"):
        ZerothOrder(model).step(closure)
    ZerothOrder(model).step(lambda: closure(0.0))
    rounded = ZerothOrder(model)
    with pytest.warns(UserWarning, match="the closure's loss is"):
        rounded.step(lambda: closure().to(dtype))  # equal, but for the rounding of the loss


def test_sums_in_another_order_are_no_other_loss():
    model, calls = net(), 0

    def closure():
        nonlocal calls
        calls += 1
        return loss_of(model)() * (1 + 1e-6 * (calls % 2))

    ZerothOrder(model, lr=LR, eps=EPS).step(closure)


def test_a_loss_that_is_a_buffer_is_read_before_the_next_call():
    model, total = net(), torch.zeros(())

    def closure():
        return total.copy_(loss_of(model)())

    seen = []
    opt = ZerothOrder(model, lr=LR, eps=1.0, check=False)
    before = raw(model)
    opt.step(lambda: (seen.append(float(closure())), total)[1])
    assert seen[0] != seen[1]
    assert not torch.allclose(raw(model), before, atol=1e-4)  # a slope that is not 0
