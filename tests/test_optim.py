"""The optimizer for a user's own model: steps, learning rates, groups, data, precision."""

import copy
import gc
import io
import pickle
import weakref

import numpy as np
import pytest
import torch
from optim_tools import X, Y, loss_of, net, raw
from torch import nn

from zobench.core.noise import reference
from zobench.core.seeds import fold
from zobench.engine.groups import any_groups, children
from zobench.errors import BadInput
from zobench.optim import ZerothOrder

LR, EPS = 0.02, 1e-2


def z(seed: int, index: int, tensor: torch.Tensor) -> torch.Tensor:
    values = reference.values("gaussian", seed, index, 0, 0, tensor.numel())
    return torch.from_numpy(values).view(tensor.shape)


@torch.no_grad()
def plain_mezo(model, rates, decays=None, steps=6, seed=0):
    """MeZO with stored copies; rates[t][i] is the learning rate of tensor i at step t."""
    closure, losses = loss_of(model), []
    parameters = list(model.parameters())
    for t in range(steps):
        kept, pair = [p.clone() for p in parameters], []
        draws = [z(fold(seed, t + 1), i, p) for i, p in enumerate(parameters)]
        for sign in (1, -1):
            for p, x, d in zip(parameters, kept, draws):
                p.copy_(x + sign * EPS * d)
            pair.append(float(closure()))
        slope = (pair[0] - pair[1]) / (2 * EPS)
        for i, (p, x, d) in enumerate(zip(parameters, kept, draws)):
            lr, decay = rates[t][i], decays[i] if decays else 0.0
            p.copy_((1 - lr * decay) * x - lr * slope * d)
        losses.append(sum(pair) / 2)
    return losses


def trained(opt, closure, steps=6):
    losses = [opt.step(closure) for _ in range(steps)]
    opt.flush()
    return losses


def same(a: nn.Module, b: nn.Module, **tolerance) -> bool:
    pairs = zip(a.parameters(), b.parameters())
    if tolerance:
        return all(torch.allclose(x, y, **tolerance) for x, y in pairs)
    return all(torch.equal(x, y) for x, y in pairs)


# ------------------------------------------------------------------ steps


@pytest.mark.parametrize("delay", [True, False])
def test_it_is_mezo(delay):
    ours, plain = net(), net()
    opt = ZerothOrder(ours, "mezo", lr=LR, eps=EPS, delay=delay)
    losses = trained(opt, loss_of(ours))
    assert losses == pytest.approx(plain_mezo(plain, [[LR] * 6] * 6), rel=1e-4)
    assert same(ours, plain, rtol=1e-4, atol=1e-5)
    assert opt.queries == 12
    assert all(p.grad is None for p in ours.parameters())


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("mezo", {"lr": 0.02}),
        ("mezo-bcd", {"lr": 0.05, "dwell": 5}),
        ("lozo", {"lr": 0.02, "refresh": 10}),
        ("zo-adam", {"lr": 0.01}),
        ("spsa", {"lr": 0.05, "n": 4}),
        ("gld", {"largest": 1.0}),
        ("cma-es", {"sigma": 0.1}),
    ],
)
def test_it_trains_a_regression(name, settings):
    model = net()
    before = loss_of(model)().item()
    opt = ZerothOrder(model, name, **settings)
    while opt.queries < 400:
        opt.step(loss_of(model))
    assert loss_of(model)().item() < 0.6 * before


def test_tensors_without_a_module_are_exact_after_each_step():
    a, b = torch.zeros(3), torch.zeros(2, 2)
    opt = ZerothOrder([a, b], "mezo", lr=0.02, eps=10.0)  # a probe would show
    for _ in range(200):
        opt.step(lambda: ((a - 1) ** 2).sum() + ((b - 1) ** 2).sum())
        assert torch.cat([a, b.view(-1)]).abs().max() < 3
    assert torch.cat([a, b.view(-1)]).sub(1).abs().max() < 0.1


def test_two_optimizers_with_one_seed_agree_and_another_seed_differs():
    one, again, other = net(), net(), net()
    for model, seed in ((one, 5), (again, 5), (other, 6)):
        trained(ZerothOrder(model, lr=LR, seed=seed), loss_of(model))
    assert same(one, again)
    assert not same(one, other, rtol=1e-3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions_train(dtype):
    model = net(dtype)
    before = loss_of(model)().item()
    opt = ZerothOrder(model, lr=LR, eps=0.05, stochastic_rounding=dtype == torch.bfloat16)
    for _ in range(200):
        opt.step(loss_of(model))
    assert loss_of(model)().item() < 0.7 * before
    assert {p.dtype for p in model.parameters()} == {dtype}


# ------------------------------------------------------------------ learning rates


def test_a_scheduler_sets_the_learning_rate():
    ours, plain = net(), net()
    opt = ZerothOrder(ours, "mezo", lr=LR, eps=EPS)
    schedule = torch.optim.lr_scheduler.LambdaLR(opt, lambda t: t / 3)  # begins at 0
    for _ in range(6):
        opt.step(loss_of(ours))
        schedule.step()
    plain_mezo(plain, [[LR * t / 3] * 6 for t in range(6)])
    assert same(ours, plain, rtol=1e-4, atol=1e-5)


def test_parameter_groups_have_their_own_rates_and_decays():
    ours, plain = net(), net()
    first, rest = list(ours[0].parameters()), [*ours[2].parameters(), *ours[3].parameters()]
    opt = ZerothOrder(
        [{"params": rest, "weight_decay": 0.5}, {"params": first, "lr": 3 * LR}],
        "mezo", model=ours, lr=LR, eps=EPS,
    )  # fmt: skip
    trained(opt, loss_of(ours))
    plain_mezo(plain, [[3 * LR] * 2 + [LR] * 4] * 6, [0.0] * 2 + [0.5] * 4)
    assert same(ours, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["mezo", "zo-adam", "zo-momentum"])
def test_a_group_of_rate_0_stands_still_and_equal_rates_change_nothing(name):
    whole, split, half = net(), net(), net()
    trained(ZerothOrder(whole, name, lr=LR, eps=EPS), loss_of(whole))
    groups = [{"params": split[3].parameters()}, {"params": [*split[:3].parameters()]}]
    trained(ZerothOrder(groups, name, model=split, lr=LR, eps=EPS), loss_of(split))
    assert same(whole, split)
    groups = [{"params": half[3].parameters()}, {"params": [*half[:3].parameters()], "lr": 0.0}]
    trained(ZerothOrder(groups, name, model=half, lr=LR, eps=EPS), loss_of(half))
    assert same(half[:3], net()[:3], rtol=0, atol=1e-5)
    assert not same(half[3], net()[3], rtol=1e-3)


def test_weight_decay_is_the_estimators_own():
    ours, plain = net(), net()
    trained(ZerothOrder(ours, "mezo", lr=LR, eps=EPS, weight_decay=0.3), loss_of(ours))
    plain_mezo(plain, [[LR] * 6] * 6, [0.3] * 6)
    assert same(ours, plain, rtol=1e-4, atol=1e-5)


# ------------------------------------------------------------------ what moves


def test_frozen_parameters_never_move_and_tied_ones_move_once():
    model = net()
    model[0].requires_grad_(False)
    model[3] = nn.Linear(16, 16)
    model[3].weight = model[2].weight
    names = [n for n, p in model.named_parameters() if p.requires_grad]
    before = model[0].weight.clone()
    opt = ZerothOrder(model, lr=LR)
    assert opt.param_groups[0]["param_names"] == names == ["2.weight", "2.bias", "3.bias"]
    trained(opt, lambda: model(X).square().mean())
    assert torch.equal(model[0].weight, before)


def moved(model, before) -> set[str]:
    return {n for n, p in model.named_parameters() if not torch.allclose(p, before[n], atol=1e-4)}


def test_blocks_move_by_child_module_or_by_the_users_groups():
    given = {
        "first": ["0.weight", "2.bias"],
        "second": ["0.bias", "2.weight", "3.weight", "3.bias"],
    }
    for groups, inside in ((None, {"0.weight", "0.bias"}), (given, set(given["first"]))):
        model = net()
        before = {n: p.clone() for n, p in model.named_parameters()}
        opt = ZerothOrder(model, "mezo-bcd", lr=0.5, dwell=3, order="ascending", groups=groups)
        trained(opt, loss_of(model), 3)
        assert moved(model, before) == inside


def test_groups_follow_a_list_of_layers_or_the_shortest_names():
    stack = nn.ModuleDict({"body": nn.ModuleList([net(), net()]), "out": nn.Linear(1, 1)})
    assert list(any_groups(stack)) == ["layer.0", "layer.1", "head"]
    assert list(any_groups(nn.ModuleDict({"only": net()}))) == ["only.0", "only.2", "only.3"]
    assert children(["w"]) == {"w": ["w"]}


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_only_adapters_of_a_peft_model_move():
    peft = pytest.importorskip("peft")
    from zobench.objectives.llm.models import random_opt

    model = peft.get_peft_model(
        random_opt(2, 16, 32, 2, 32), peft.LoraConfig(target_modules=["q_proj", "v_proj"], r=2)
    )
    ids = torch.arange(3, 19).view(2, 8)
    before = {n: p.clone() for n, p in model.named_parameters()}
    opt = ZerothOrder(model, "mezo-bcd", lr=0.5, eps=1e-2, dwell=2, delay=True)
    for _ in range(8):
        opt.step(lambda: model(input_ids=ids, labels=ids).loss)
    changed = moved(model, before)
    assert changed
    assert all("lora_" in name for name in changed)
    with torch.no_grad():
        expected = model(input_ids=ids).logits
        opt.step(lambda: model(input_ids=ids, labels=ids).loss)
        opt.load_state_dict(opt.state_dict())
        expected = model(input_ids=ids).logits
        opt.step(lambda: 0.0)  # a slope of 0: the point stays, the way back is delayed
        merged = model.merge_and_unload()
        assert torch.allclose(merged(input_ids=ids).logits, expected, atol=1e-4)


# ------------------------------------------------------------------ weights after a step


def masked(part):
    with torch.no_grad():
        part.weight[0] = 0.0


WRITERS = {
    "attribute": lambda model, held, opt: masked(model[0]),
    "list made earlier": lambda model, held, opt: held[0].data[0].zero_(),
    "param_groups": lambda model, held, opt: opt.param_groups[0]["params"][0].data[0].zero_(),
    "new data": lambda model, held, opt: setattr(held[0], "data", held[0].data.clamp(-0.1, 0.1)),
    "norm": lambda model, held, opt: held[0].data.mul_(0.5),
    "vector": lambda model, held, opt: nn.utils.vector_to_parameters(torch.ones(369), held),
}


@pytest.mark.parametrize(
    "given",
    [{}, {"realisation": "scratch"}, {"realisation": "paired"}],
    ids=["walk", "scratch", "paired"],
)
@pytest.mark.parametrize("estimator", ["mezo", "mezo-bcd", "zo-adam", "lozo"])
def test_after_a_step_every_reader_sees_the_point(estimator, given):
    """A probe of length 1 would show in each of them."""
    model = net()
    held, before = list(model.parameters()), raw(model)
    opt = ZerothOrder(model, estimator, lr=0.0, eps=1.0, **given)
    mean = before.clone()
    for _ in range(3):
        opt.step(loss_of(model))
        for found in (held, opt.param_groups[0]["params"], model.parameters()):
            now = torch.cat([p.detach().reshape(-1) for p in found])
            assert torch.allclose(now, before, atol=1e-5)
        assert torch.allclose(model[0].weight, before[:64].view(16, 4), atol=1e-5)
        mean.lerp_(torch.cat([p.detach().reshape(-1) for p in held]), 0.5)
    assert torch.allclose(mean, before, atol=1e-5)


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_what_is_written_after_a_step_stays(write):
    model, plain = net(), net()
    for one in (model, plain):
        held = list(one.parameters())
        opt = ZerothOrder(one, lr=0.0, eps=1.0)
        if one is model:
            for _ in range(2):
                opt.step(loss_of(one))
        write(one, held, opt)
        for _ in range(2):
            opt.step(loss_of(one))
    assert torch.allclose(raw(model), raw(plain), atol=1e-5)


def test_a_library_gets_the_losses_of_the_points_it_asked_for():
    """Also where the weights were written in between."""
    w, seen = torch.zeros(2), []
    opt = ZerothOrder([w], "cma-es", sigma=0.1)
    asked, ask = [], opt._engine.estimator.inner.ask
    opt._engine.estimator.inner.ask = lambda: asked.extend(ask()) or asked[-6:]
    for _ in range(3):
        opt.step(lambda: (seen.append(w.clone()), w.square().sum())[1])
        w.fill_(7.0)
    assert torch.allclose(torch.stack(seen[1:]), torch.tensor(np.array(asked)).float(), atol=1e-5)


# ------------------------------------------------------------------ reading weights with delay


def touch(f):
    return lambda model, opt: (f(model, opt), model)[1]


READERS = {
    "forward": touch(lambda m, o: m(X)),
    "forward of a part": touch(lambda m, o: m[0](X)),
    "eval": touch(lambda m, o: m.eval()),
    "state_dict": touch(lambda m, o: m.state_dict()),
    "state_dict of a part": touch(lambda m, o: m[2].state_dict()),
    "parameters": touch(lambda m, o: list(m.parameters())),
    "parameters of a part": touch(lambda m, o: list(m[3].parameters())),
    "optimizer state": touch(lambda m, o: o.state_dict()),
    "close": touch(lambda m, o: o.close()),
    "deepcopy": lambda m, o: copy.deepcopy(m),
    "deepcopy of a part": touch(lambda m, o: copy.deepcopy(m[0])),
    "pickle": lambda m, o: pickle.loads(pickle.dumps(m)),
    "torch.save": lambda m, o: saved(m),
    "average": lambda m, o: torch.optim.swa_utils.AveragedModel(m).module,
    "other type": lambda m, o: m.double().float(),
}


def saved(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_whoever_reads_the_weights_sees_the_point(read):
    exact, model = net(), net()
    ZerothOrder(exact, lr=LR, eps=1.0).step(loss_of(exact))
    opt = ZerothOrder(model, lr=LR, eps=1.0, delay=True)
    opt.step(loss_of(model))
    assert not torch.allclose(raw(model), raw(exact), atol=0.1)  # the way back waits
    assert torch.allclose(raw(read(model, opt)), raw(exact), atol=1e-6)


def test_a_copy_is_an_ordinary_module():
    model = net()
    opt = ZerothOrder(model, lr=LR, delay=True)
    opt.step(loss_of(model))
    twin = copy.deepcopy(model)
    assert twin.__dict__.keys() == net().__dict__.keys()
    assert not twin._forward_pre_hooks
    assert not twin._load_state_dict_pre_hooks
    before = raw(twin)
    opt.step(loss_of(model))
    twin(X)
    assert torch.equal(raw(twin), before)
    opt.close()
    assert model.__dict__.keys() == net().__dict__.keys()
    assert not any(part._forward_pre_hooks for part in model.modules())


def test_loading_weights_forgets_what_was_delayed():
    model, other = net(), net()
    opt = ZerothOrder(model, lr=LR, eps=1.0, delay=True)
    opt.step(loss_of(model))
    model.load_state_dict(other.state_dict())
    opt.flush()
    assert same(model, other)


def test_a_module_outlives_its_optimizer():
    exact, model = net(), net()
    ZerothOrder(exact, lr=LR, eps=1.0).step(loss_of(exact))
    ZerothOrder(model, lr=LR, eps=1.0, delay=True).step(loss_of(model))
    assert same(model, exact, atol=1e-6)


def test_weights_are_freed_with_their_last_name():
    model = net()
    opt = ZerothOrder(model, "zo-adam", lr=LR)
    opt.step(loss_of(model))
    gone = [weakref.ref(p) for p in model.parameters()]
    gc.disable()  # a cycle would keep them
    try:
        del model, opt
        assert [p() for p in gone] == [None] * 6
    finally:
        gc.enable()


def test_two_optimizers_of_one_module_leave_it_as_it_was():
    model = net()
    first, second = (ZerothOrder(model, lr=LR, delay=True) for _ in range(2))
    first.step(loss_of(model)), second.step(loss_of(model))
    assert copy.deepcopy(model).__dict__.keys() == net().__dict__.keys()
    second.close(), first.close()
    assert model.__dict__.keys() == net().__dict__.keys()


def test_a_compiled_model_trains_and_is_read_exactly():
    plain, model = net(), net()
    losses = trained(ZerothOrder(plain, lr=LR, eps=EPS), loss_of(plain), 3)
    opt = ZerothOrder(model, lr=LR, eps=EPS, delay=True)
    compiled = torch.compile(model, backend="eager")
    assert [opt.step(loss_of(compiled)) for _ in range(3)] == pytest.approx(losses, rel=1e-5)
    with torch.no_grad():
        assert torch.allclose(compiled(X), plain(X), atol=1e-5)


# ------------------------------------------------------------------ data


def test_random_draws_are_those_of_the_step():
    model = net()
    seen: list[float] = []

    def closure():
        seen.append(torch.rand(()).item())
        return seen[-1]

    before = raw(model)
    opt = ZerothOrder(model, "zo-sgd", lr=1.0, n=2, check=False)
    opt.step(closure), opt.step(closure)
    assert seen[0] == seen[1] == seen[2] == seen[3] != seen[4]
    assert len(set(seen)) == 2
    model.eval()
    assert torch.allclose(raw(model), before, atol=1e-5)  # equal losses: no slope


def test_micro_batches_are_the_whole_batch():
    models = net(), net(), net()
    mse = [lambda rows, m=m: ((m(X[rows]) - Y[rows]) ** 2).mean() for m in models]
    opts = [ZerothOrder(m, lr=LR, eps=EPS) for m in models]
    even = [slice(0, 32), slice(32, 64)]
    odd = [slice(0, 16), slice(16, 64)]
    for _ in range(5):
        losses = [
            opts[0].step(lambda: mse[0](slice(0, 64))),
            opts[1].step(mse[1], micro_batches=even),
            opts[2].step(mse[2], micro_batches=odd, weights=[16, 48]),
        ]
        assert losses[1:] == pytest.approx([losses[0]] * 2, rel=1e-5)
    assert same(models[0], models[1], atol=1e-5)
    assert same(models[0], models[2], atol=1e-5)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_not_finite(wrong):
    model = net()
    before, calls = raw(model), 0

    def closure():
        nonlocal calls
        calls += 1
        return wrong if calls in (2, 3) else loss_of(model)()

    with pytest.raises(FloatingPointError, match="probe 2 of 2"):
        ZerothOrder(model, lr=LR, eps=EPS).step(closure)
    assert torch.allclose(raw(model), before, atol=1e-6)
    opt = ZerothOrder(model, lr=LR, eps=EPS, on_nonfinite="skip")
    calls = 1
    opt.step(closure)
    assert opt.skipped == 1
    opt.flush()
    assert torch.allclose(raw(model), before, atol=1e-6)
    calls = 4
    opt.step(closure)
    opt.flush()
    assert opt.skipped == 1
    assert not torch.allclose(raw(model), before, atol=1e-6)


def test_an_error_of_the_closure_leaves_the_point():
    model = net()
    opt = ZerothOrder(model, lr=LR, eps=1.0)
    before = raw(model)
    with pytest.raises(KeyboardInterrupt):
        opt.step(lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    assert torch.allclose(raw(model), before, atol=1e-6)
    with pytest.raises(BadInput, match="returned None"):
        opt.step(lambda: None)
    assert torch.allclose(raw(model), before, atol=1e-6)


def test_what_was_compiled_before_flushes_too():
    """Compiled code is shared by models of one class, and knows of hooks when it is made."""
    torch.compile(net(), backend="eager")(X)
    model = net()
    compiled = torch.compile(model, backend="eager")
    with torch.no_grad():
        compiled(X)
    opt = ZerothOrder(model, lr=LR, eps=1.0, delay=True)
    opt.step(loss_of(compiled))
    assert opt._weights.waiting
    with torch.no_grad():
        seen = compiled(X)
        assert torch.equal(seen, model(X))
