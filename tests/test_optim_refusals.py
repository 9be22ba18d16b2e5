"""Tensors, modules and processes of other kinds: they train, or one sentence says why not."""

import copy
import subprocess
import sys

import pytest
import torch
from optim_tools import X, Y, loss_of, net, raw
from torch import nn

from zobench.errors import BadInput
from zobench.optim import ZerothOrder, replay


class Wrapped(torch.Tensor):
    """A tensor that says float32 and holds 8 bits, as quantised ones do."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=torch.float32)

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        if func in (torch.ops.aten.detach.default, torch.ops.aten.clone.default):
            return cls(args[0].inner)
        plain = [a.inner.float() / 64 if isinstance(a, cls) else a for a in args]
        return func(*plain, **(kwargs or {}))


class Flattened(Wrapped):
    """The same, as torch.compile knows them."""

    def __tensor_flatten__(self):
        return ["inner"], None

    @staticmethod
    def __tensor_unflatten__(inner, meta, size, stride):
        return Flattened(inner["inner"])


def eight_bits(*shape):
    return torch.randint(-64, 64, shape, dtype=torch.int8)


def under_data(tensor):
    parameter = nn.Parameter(torch.zeros(tensor.shape))
    parameter.data = tensor
    return parameter


HELD_ELSEWHERE = {
    "wrapped": lambda: nn.Parameter(Wrapped(eight_bits(4, 4))),
    "flattened": lambda: nn.Parameter(Flattened(eight_bits(4, 4))),
    "under .data": lambda: under_data(Wrapped(eight_bits(4, 4))),
    "sparse": lambda: nn.Parameter(torch.eye(4).to_sparse()),
    "sparse rows": lambda: nn.Parameter(torch.eye(4).to_sparse_csr()),
    "mkldnn": lambda: torch.randn(4, 4).to_mkldnn(),
}


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("make", HELD_ELSEWHERE.values(), ids=HELD_ELSEWHERE)
def test_values_that_lie_in_other_tensors_are_refused(make):
    tensor = make()
    for given in ([("w", tensor)], [{"params": [("w", tensor)]}]):
        with pytest.raises(BadInput, match=r"^w holds its values in other tensors .* adapters"):
            ZerothOrder(given)


def test_weights_that_are_not_there_yet_are_refused():
    with pytest.raises(BadInput, match=r"0.weight has no shape yet: run the model on a batch"):
        ZerothOrder(nn.Sequential(nn.LazyLinear(3)))
    with pytest.raises(BadInput, match="weight is on the device meta"):
        ZerothOrder(nn.Linear(2, 3, device="meta"))


class Mine(nn.Parameter):
    pass


class Named(torch.Tensor):
    pass


class Halved(torch.Tensor):
    """Is read as half of what it holds."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        args = [a.as_subclass(torch.Tensor) / 2 if isinstance(a, cls) else a for a in args]
        return func(*args, **(kwargs or {}))


class Bare(torch.Tensor):
    __torch_function__ = torch._C._disabled_torch_function_impl


OF_A_CLASS = {
    "parameter": lambda: Mine(torch.ones(1, 4)),
    "tensor": lambda: nn.Parameter(torch.ones(1, 4).as_subclass(Named)),
    "function": lambda: torch.ones(1, 4).as_subclass(Halved),
    "bare": lambda: torch.ones(1, 4).as_subclass(Bare),
}


@pytest.mark.parametrize("make", OF_A_CLASS.values(), ids=OF_A_CLASS)
@pytest.mark.parametrize("realisation", ["walk", "scratch", "paired"])
def test_tensors_of_a_class_of_their_own_are_refused(make, realisation):
    tensor = make()
    with pytest.raises(BadInput, match=r"^w is a (Mine|Named|Halved|Bare), .*as_subclass"):
        ZerothOrder([("w", tensor)])
    if isinstance(tensor, nn.Parameter):
        model = nn.Linear(4, 1)
        model.weight = tensor
        with pytest.raises(BadInput, match=r"^weight is a "):
            ZerothOrder(model, realisation=realisation)
        model.weight = nn.Parameter(tensor.detach().as_subclass(torch.Tensor))
        train(model, 1, realisation=realisation)


def test_a_delay_needs_a_module():
    """Who reads a tensor of a list asks nobody: it would hold a probe."""
    model = net()
    with pytest.raises(BadInput, match=r"delay=True needs the module .* give model="):
        ZerothOrder(list(model.parameters()), delay=True)
    ZerothOrder(list(model.parameters()), model=model, delay=True).step(loss_of(model))


@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
def test_a_table_that_its_forward_overwrites_is_not_walked(kind):
    """Rows at a probe would be clipped, and the way back would lead elsewhere."""
    model = nn.Sequential(kind(8, 4, max_norm=1.0), nn.Linear(4, 1))
    ids = torch.arange(8).view(-1, 1)

    def loss():
        return (model(ids) ** 2).mean()

    with pytest.raises(BadInput, match=r"^0 has max_norm: .* realisation = scratch"):
        ZerothOrder(model)
    with torch.no_grad():
        loss()  # a forward at the point clips the point, as with any optimizer
    before = raw(model)
    for realisation in ("scratch", "auto"):
        opt = ZerothOrder(model, lr=0.0, eps=0.1, realisation=realisation)
        opt.step(loss)
        assert opt.realisation == "scratch"
        assert torch.equal(raw(model), before)
    model[0].weight.requires_grad_(False)
    ZerothOrder(model, lr=0.01).step(loss)


def test_what_is_unfrozen_later_is_told_once(recwarn):
    model = net()
    model[0].weight.requires_grad_(False)
    opt = ZerothOrder(model, check=False)
    opt.step(loss_of(model))
    model[0].weight.requires_grad_(True)
    with pytest.warns(UserWarning, match=r"^0.weight was frozen .* make a new ZerothOrder"):
        opt.step(loss_of(model))
    recwarn.clear()
    opt.step(loss_of(model))
    assert not recwarn


CHANGES = {
    "fewer": lambda groups: groups[0]["params"].pop(),
    "another": lambda groups: groups[0]["params"].__setitem__(0, nn.Parameter(torch.ones(2))),
    "more": lambda groups: groups[0]["params"].append(nn.Parameter(torch.ones(2))),
    "a group more": lambda groups: groups.append(
        {"params": [nn.Parameter(torch.ones(2))], "lr": 0.1, "weight_decay": 0.0}
    ),
    "a group less": lambda groups: groups.pop(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_parameter_groups_that_were_changed_are_told(change):
    model = net()
    opt = ZerothOrder([{"params": [p]} for p in model.parameters()])
    opt.step(loss_of(model))
    change(opt.param_groups)
    with pytest.raises(BadInput, match=r"^a parameter group was added, removed or given other par"):
        opt.step(loss_of(model))


def test_buffers_train():
    shift = nn.Buffer(torch.ones(1))
    opt = ZerothOrder([shift], lr=0.1)
    assert opt.step(lambda: (shift**2).sum()) == pytest.approx(1, abs=0.1)
    assert shift.item() < 1


def train(model, steps=20, **given):
    opt = ZerothOrder(model, lr=0.05, eps=1e-2, **given)
    return [opt.step(lambda: ((model(X) - Y) ** 2).mean()) for _ in range(steps)]


class Eight(nn.Module):
    """A layer with frozen 8-bit weights, as bitsandbytes and torchao leave it."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(4))

    def forward(self, x):
        return x @ (self.weight * torch.ones(())) / 64 + self.bias


@pytest.mark.parametrize("make", [eight_bits, lambda *s: Wrapped(eight_bits(*s))])
def test_what_quantisation_left_trains_and_says_how_little_it_is(make):
    model = nn.Sequential(Eight(make(4, 4)), nn.Linear(4, 1))
    with pytest.warns(UserWarning, match="only 9 numbers of Sequential are trained, .* 1 tensors"):
        first, *_, last = train(model)
    assert last < first
    model[1].requires_grad_(False)  # somebody chose
    train(model)
    model.requires_grad_(False)
    with pytest.raises(BadInput, match=r"Sequential is quantised \((int8|Wrapped)\) and frozen"):
        ZerothOrder(model)


DISTRIBUTED = """
import sys, torch
from torch import nn
import torch.distributed as dist
from zobench.errors import BadInput
from zobench.optim import ZerothOrder

rank, count, file = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=count)

def told(params, words):
    try:
        ZerothOrder(params)
    except BadInput as error:
        assert words in str(error) and "\\n" not in str(error), error
    else:
        raise AssertionError(f"no word about {words}")

net = nn.Linear(4, 2)
if count > 1:
    told(net, "one of 2 processes")
else:
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import DeviceMesh, Shard, distribute_tensor
    told(nn.parallel.DistributedDataParallel(net), "is a DistributedDataParallel")
    told(nn.Sequential(nn.parallel.DistributedDataParallel(net)), "is a DistributedDataParallel")
    class Logged(nn.parallel.DistributedDataParallel):
        pass
    told(Logged(net), "is a Logged: zobench trains in one process")
    mesh = DeviceMesh("cpu", [0])
    split = distribute_tensor(torch.randn(4, 2), mesh, [Shard(0)])
    told([("w", nn.Parameter(split))], "w holds its values in other tensors (DTensor")
    hidden = nn.Parameter(torch.zeros(4, 2))
    hidden.data = split
    told([("w", hidden)], "w holds its values in other tensors")
    sharded = nn.Linear(4, 2)
    fully_shard(sharded, mesh=mesh)
    told(sharded, "holds its values in other tensors")
    ZerothOrder(net).step(lambda: net(torch.ones(4)).sum())  # one process of one
dist.destroy_process_group()
print("right")
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")
@pytest.mark.parametrize("count", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_several_processes_and_sharded_tensors(count, tmp_path):
    runs = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", DISTRIBUTED, str(rank), str(count),
             str(tmp_path / "meet")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(count)
    ]  # fmt: skip
    for run in runs:
        out, error = run.communicate(timeout=120)
        assert out.strip() == "right", error


def test_one_of_several_processes_is_refused(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 8)
    with pytest.raises(BadInput, match=r"one of 8 processes .* trains in one process"):
        ZerothOrder(net())


# ------------------------------------------------------------------ groups


def test_a_group_may_be_empty_or_frozen():
    frozen = nn.Parameter(torch.zeros(2), requires_grad=False)
    for given in (
        lambda m: [{"params": m.parameters()}, {"params": []}],
        lambda m: [{"params": m.named_parameters()}, {"params": []}],
        lambda m: [{"params": [], "lr": 3.0}, {"params": m.parameters()}],
        lambda m: [{"params": [frozen]}, {"params": m.parameters()}, {"params": []}],
    ):
        plain, model = net(), net()
        one, two = ZerothOrder(plain, lr=0.02), ZerothOrder(given(model), lr=0.02)
        assert len(two.param_groups) > 1
        for _ in range(3):
            two.step(loss_of(model))
            one.step(loss_of(plain))
        two.load_state_dict(two.state_dict())
        for opt, m in ((one, plain), (two, model)):
            schedule = torch.optim.lr_scheduler.StepLR(opt, 1)
            opt.step(loss_of(m)), schedule.step(), opt.step(loss_of(m))
        assert torch.equal(raw(plain), raw(model))
    with pytest.raises(BadInput, match="has no parameter"):
        ZerothOrder([{"params": []}])
    with pytest.raises(BadInput, match="are frozen"):
        ZerothOrder([{"params": [frozen]}, {"params": []}])


def test_a_record_of_a_run_with_an_empty_group_replays(tmp_path):
    model, start = net(), net()
    opt = ZerothOrder([{"params": []}, {"params": model.parameters()}], model=model, lr=0.02)
    opt.record(tmp_path / "run.zo")
    opt.step(loss_of(model))
    opt.close()
    replay(tmp_path / "run.zo", start)
    assert torch.equal(raw(start), raw(model))


def test_one_cycle_schedules_need_no_momentum():
    opt = ZerothOrder(net(), lr=0.02)
    with pytest.raises(ValueError, match="momentum"):
        torch.optim.lr_scheduler.OneCycleLR(opt, 0.1, total_steps=5)
    opt = ZerothOrder(net(), lr=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(opt, 0.1, total_steps=5, cycle_momentum=False)
    opt.step(lambda: 0.0)
    schedule.step()
    assert opt.param_groups[0]["lr"] > 0.004


def test_a_step_without_a_closure_names_the_trainer():
    for call in (lambda o: o.step(), lambda o: o.step(None)):
        with pytest.raises(BadInput, match=r"takes a closure .*ZerothOrderTrainer"):
            call(ZerothOrder(net()))


# ------------------------------------------------------------------ compiled by torch.jit

COMPILED = {
    "scripted": torch.jit.script,
    "traced": lambda model: torch.jit.trace(model, X, check_trace=False),
    "a scripted part": lambda model: nn.Sequential(torch.jit.script(model[:2]), *model[2:]),
}


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("compiled", COMPILED.values(), ids=COMPILED)
def test_modules_of_torch_jit_walk(compiled):
    for given in ({}, {"realisation": "auto"}, {"estimator": "mezo-bcd", "dwell": 1}):
        plain, model = net(), compiled(net())
        losses = [train(m, 4, **given) for m in (plain, model)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
        now = torch.cat([p.detach().reshape(-1) for p in model.parameters()])
        assert torch.allclose(now, raw(plain), atol=1e-5)
    for given, words in (({"delay": True}, "takes no hooks|do not take"),
                         ({"realisation": "scratch"}, "realisation = walk")):  # fmt: skip
        with pytest.raises(BadInput, match=words):
            ZerothOrder(compiled(net()), **given)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_layers_of_torch_jit_are_not_left_out():
    model = nn.ModuleDict({"layers": nn.ModuleList(torch.jit.script(net()) for _ in range(2))})
    with pytest.raises(BadInput, match=r"leave out layers that torch.jit compiled"):
        ZerothOrder(model, "mezo-bcd", reuse_prefix=True)


def inputs(model):
    dtype = next(model.parameters()).dtype
    return torch.linspace(-1, 1, 24).view(8, 3).to(dtype)


def _by_hook(model):
    def clip(module, inputs):
        with torch.no_grad():
            module.weight.renorm_(2, 0, 0.1)

    model[0].register_forward_pre_hook(clip)
    return lambda: model(inputs(model)).square().mean()


def _by_data(model):
    def loss():
        model[0].weight.data.clamp_(-0.01, 0.01)
        return model(inputs(model)).square().mean()

    return loss


@pytest.mark.parametrize("closure", [_by_hook, _by_data])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("realisation", ["walk", "scratch", "paired", "auto"])
def test_a_closure_that_writes_to_weights_is_refused(closure, dtype, realisation):
    """At a probe it would cut what the way back then takes off."""
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1))
    loss = closure(model)
    loss()  # nothing is left to clip at the point
    model.to(dtype)
    opt = ZerothOrder(model, "mezo", lr=1e-3, realisation=realisation)
    with pytest.raises(BadInput, match="writes to weights"):
        opt.step(lambda: loss().float())


@pytest.mark.parametrize("alias", [lambda p: p.data, lambda p: p.detach().numpy()])
@pytest.mark.parametrize("realisation", ["scratch", "paired"])
def test_weights_that_are_read_through_arrays_made_before_are_noticed(alias, realisation):
    model = torch.nn.Linear(3, 1)
    aliases = [alias(p) for p in model.parameters()]
    before = [p.detach().clone() for p in model.parameters()]
    opt = ZerothOrder(model, "mezo", lr=1e-3, realisation=realisation)
    with pytest.raises(BadInput, match="reads weights outside the forward"):
        opt.step(
            lambda: model(inputs(model)).square().mean() + sum(float((a**2).sum()) for a in aliases)
        )
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before))


def test_auto_walks_where_weights_are_read_through_arrays_made_before():
    model = torch.nn.Linear(3, 1).to(torch.bfloat16)
    aliases = [p.data for p in model.parameters()]
    opt = ZerothOrder(model, "mezo", lr=1e-3, realisation="auto")
    assert opt.realisation == "scratch"
    opt.step(lambda: sum(a.float().square().sum() for a in aliases))
    assert opt.realisation == "walk"


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("realisation", ["scratch", "paired"])
def test_what_copies_of_weights_cannot_serve_is_refused(realisation):
    def forward_mode():
        return torch.func.jvp(model, (inputs(model),), (inputs(model),))[1].square().mean()

    def of_a_copy():
        return copy.deepcopy(model)(inputs(model)).square().mean()

    for loss, what in ((forward_mode, "gradients are computed"), (of_a_copy, "a copy of a module")):
        model = torch.nn.Linear(3, 1)
        opt = ZerothOrder(model, "mezo", lr=1e-3, realisation=realisation)
        with pytest.raises(BadInput, match=what):
            opt.step(loss)
        opt = ZerothOrder(model, "mezo", lr=1e-3, realisation="walk")
        assert float(opt.step(loss)) > 0
