"""The optimizer with weights that are never perturbed, and with layers computed once a step."""

import copy
from functools import partial

import pytest
import torch
from optim_tools import X, Y, loss_of, net, raw
from torch import nn

from zobench.errors import BadInput
from zobench.optim import ZerothOrder, replay

LR, EPS = 0.02, 1e-2
SCRATCH, PAIRED = {"realisation": "scratch"}, {"realisation": "paired"}
BCD = {"lr": 0.05, "eps": EPS, "dwell": 1, "order": "ascending"}


class Layer(nn.Module):
    """A residual layer that draws random numbers, and counts how often it runs."""

    def __init__(self, dropout: float):
        super().__init__()
        self.linear, self.dropout, self.runs = nn.Linear(8, 8), nn.Dropout(dropout), 0

    def forward(self, x):
        self.runs += 1
        return x + self.dropout(self.linear(x).tanh())


class Stack(nn.Module):
    """Embeddings and a scale of the module's own, layers, a tied head of one more weight."""

    def __init__(self, dropout: float = 0.2, count: int = 4):
        super().__init__()
        self.table, self.places = nn.Embedding(40, 8), nn.Embedding(20, 8)
        self.shift = nn.Parameter(torch.randn(8))
        self.layers = nn.ModuleList(Layer(dropout) for _ in range(count))
        self.head = nn.Linear(8, 40)
        self.head.weight = self.table.weight

    def forward(self, ids):
        places = torch.arange(ids.shape[1]).expand(ids.shape)
        x = self.table(ids) + self.places(places)
        x = x + self.shift  # after others have run in the same buffer
        for layer in self.layers:
            x = layer(x)
        return self.head(x)

    def runs(self) -> list[int]:
        found = [layer.runs for layer in self.layers]
        for layer in self.layers:
            layer.runs = 0
        return found


IDS = torch.randint(0, 40, (6, 5), generator=torch.Generator().manual_seed(0))


def stack(dtype=torch.float32, dropout=0.2) -> Stack:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Stack(dropout).to(dtype)


def cross_entropy(model, ids=IDS):
    out = model(ids[:, :-1]).flatten(0, 1).float()
    return nn.functional.cross_entropy(out, ids[:, 1:].flatten())


def run(model, estimator="mezo", steps=6, closure=None, **settings):
    """(losses, weights) of some steps, from the same draws each time."""
    torch.manual_seed(3)
    opt = ZerothOrder(model, estimator, **settings)
    losses = [opt.step(closure or (lambda: cross_entropy(model))) for _ in range(steps)]
    opt.flush()
    return losses, raw(model)


# ------------------------------------------------------------------ scratch


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("directions", ["gaussian", "rademacher"])
def test_the_first_losses_are_the_walks_bit_for_bit(dtype, directions):
    """Those of the point and of one probe: the way from one probe to another rounds."""
    given = {"scheme": "forward", "eps": 0.05, "directions": directions}
    walk, apart = (
        run(stack(dtype), "zo-sgd", 1, **given, realisation=r)[0] for r in ("walk", "scratch")
    )
    assert walk == apart


@pytest.mark.parametrize("estimator", ["mezo", "mezo-bcd", "lozo", "zo-adam"])
@pytest.mark.parametrize("make", [stack, net])
def test_it_trains_as_walk_does(make, estimator):
    found = []
    for realisation in ("walk", "scratch", "paired"):
        model = make()
        closure = loss_of(model) if make is net else lambda m=model: cross_entropy(m)
        found.append(run(model, estimator, 8, closure, lr=1e-3, eps=EPS, realisation=realisation))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-4)
    # where a slope of about 0 changes its sign, a rule like Adam's takes the other way
    far = (found[0][1] - found[1][1]).abs()
    assert far.median() < 1e-5
    assert far.max() < 0.02


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("given", [SCRATCH, PAIRED], ids=str)
def test_weights_are_never_perturbed(dtype, given):
    model = stack(dtype)
    before, seen = raw(model), []

    def closure():
        seen.append(bool(raw(model).isnan().all()) or torch.equal(raw(model), before))
        return cross_entropy(model)

    opt = ZerothOrder(model, "mezo", lr=0.0, eps=1.0, **given)
    for _ in range(5):
        opt.step(closure)
        assert torch.equal(raw(model), before)  # without a flush, and nothing drifts
    assert all(seen)  # where no module is at work there are no weights at all
    assert opt.queries == 10
    assert opt.realisation == given["realisation"]
    assert model.__dict__.keys() == stack(dtype).__dict__.keys()


class Penalised:
    """A loss that reads a weight from outside, from the fourth step on."""

    def __init__(self, dtype):
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 1)).to(dtype)
        self.x, self.late = torch.randn(16, 8, dtype=dtype), False

    def __call__(self):
        penalty = self.model[0].weight.float().pow(2).sum() if self.late else 0.0
        return self.model(self.x).float().pow(2).mean() + penalty


def test_a_later_closure_that_reads_weights_elsewhere_is_refused_or_walked():
    ends = []
    for realisation in ("scratch", "auto", "walk"):
        loss = Penalised(torch.bfloat16)
        opt = ZerothOrder(loss.model, lr=1e-4, eps=1e-2, realisation=realisation)
        for _ in range(3):
            opt.step(loss)
        loss.late, before = True, raw(loss.model).clone()
        if realisation == "scratch":
            with pytest.raises(BadInput, match="outside the forward of the module that owns"):
                opt.step(loss)
            assert torch.equal(raw(loss.model), before)
            continue
        if realisation == "auto":
            with pytest.warns(RuntimeWarning, match="from now on probes walk"):
                opt.step(loss)
        for _ in range(60):
            opt.step(loss)
        assert opt.realisation == "walk"
        opt.flush()
        with torch.no_grad():
            ends.append(float(loss()))
    assert ends[0] == pytest.approx(ends[1], rel=0.1)


def test_auto_is_scratch_for_sixteen_bits_that_are_read_where_they_are():
    for dtype, expected in ((torch.float32, "walk"), (torch.bfloat16, "scratch")):
        opt = ZerothOrder(stack(dtype), realisation="auto")
        assert opt.realisation == expected
    model = stack(torch.bfloat16)
    opt = ZerothOrder(model, lr=LR, realisation="auto")
    opt.step(lambda: cross_entropy(model) + model.places.weight.float().sum() * 1e-3)
    assert opt.realisation == "walk"
    assert ZerothOrder([torch.zeros(2).half()], realisation="auto").realisation == "walk"


@pytest.mark.parametrize("realisation", [SCRATCH, PAIRED, PAIRED | {"delay": True}], ids=str)
def test_a_record_without_walks_replays_and_a_state_resumes(tmp_path, realisation):
    for estimator, given in (("mezo", {}), ("mezo-bcd", {"dwell": 2}), ("zo-momentum", {})):
        path, model = tmp_path / f"{estimator}.zo", stack(torch.bfloat16)
        start = copy.deepcopy(model)
        opt = ZerothOrder(
            model, estimator, lr=LR, eps=0.05, stochastic_rounding=True, **realisation, **given
        )
        opt.record(path)
        for _ in range(4):
            opt.step(lambda m=model: cross_entropy(m))
        opt.flush()
        assert replay(path, start) == 4
        assert torch.equal(raw(start), raw(model))
        twin = copy.deepcopy(model)
        resumed = ZerothOrder(twin, estimator, **realisation)
        opt.close()
        resumed.load_state_dict(opt.state_dict())
        torch.manual_seed(8)
        losses = [opt.step(lambda m=model: cross_entropy(m)) for _ in range(3)]
        torch.manual_seed(8)
        assert losses == [resumed.step(lambda m=twin: cross_entropy(m)) for _ in range(3)]
        opt.flush(), resumed.flush()
        assert torch.equal(raw(twin), raw(model))


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_adapters_train_in_scratch_with_reuse():
    peft = pytest.importorskip("peft")
    from zobench.objectives.llm.models import random_opt

    found = []
    for given in ({}, SCRATCH, SCRATCH | {"reuse_prefix": True}):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], r=2)
            model = peft.get_peft_model(random_opt(3, 16, 32, 2, 32), config)
        words = {"input_ids": IDS[:, :4] % 32, "labels": IDS[:, :4] % 32}
        closure = partial(lambda m, given: m(**given).loss, model, words)
        found.append(run(model, "mezo-bcd", 7, closure, **BCD, **given))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    assert found[1][0] == found[2][0]
    assert torch.equal(found[1][1], found[2][1])


# ------------------------------------------------------------------ prefix reuse


@pytest.mark.parametrize("realisation", ["walk", "scratch"])
@pytest.mark.parametrize("micro", [False, True])
def test_reuse_changes_no_bit_also_with_dropout(realisation, micro):
    found = []
    for reuse in (False, True):
        model = stack()
        torch.manual_seed(3)
        opt = ZerothOrder(model, "mezo-bcd", **BCD, realisation=realisation, reuse_prefix=reuse)
        losses, runs = [], []
        parts = [IDS[:2], IDS[2:]] if micro else None
        for t in range(12):
            losses.append(
                opt.step(lambda ids=IDS, m=model: cross_entropy(m, ids), micro_batches=parts)
            )
            if t:
                runs.append([n // (1 + micro) for n in model.runs()])
            else:
                model.runs()
        opt.flush()
        found.append((losses, raw(model), runs, opt.queries))
    plain, ours = found
    assert plain[0] == ours[0]
    assert torch.equal(plain[1], ours[1])
    assert plain[3] == ours[3] == 24
    assert plain[2] == [[2] * 4] * 11
    # groups: the embeddings with the tied head, layers 0 to 3, (the head's bias, the shift)
    assert ours[2][:5] == [[2, 2, 2, 2], [1, 2, 2, 2], [1, 1, 2, 2], [1, 1, 1, 2], [2, 2, 2, 2]]


def test_a_weight_counts_where_it_is_read_not_where_its_name_stands():
    """`shift` is in the group of the head, but the first layer already needs it."""
    model = stack(dropout=0.0)
    opt = ZerothOrder(model, "mezo-bcd", **BCD, reuse_prefix=True)
    opt.step(lambda: cross_entropy(model))
    names = opt.param_groups[0]["param_names"]
    depth = dict(zip(names, opt._reuse.prefix.depth))
    assert depth["shift"] == depth["table.weight"] == depth["places.weight"] == 0
    assert depth["layers.2.linear.bias"] == 2
    assert depth["head.bias"] == 4


class Remembers(Stack):
    """Later layers read what the first one left for this pass."""

    def forward(self, ids):
        x, left = self.table(ids), []
        for k, layer in enumerate(self.layers):
            x = layer(x, left) if k == 0 else layer(x) + left[0]
        return self.head(x)


class Leaves(Layer):
    def forward(self, x, left):
        left.append(x * 0.1)
        return super().forward(x)


def remembering() -> Remembers:
    model = Remembers(0.0)
    model.layers[0] = Leaves(0.0)
    return model


def refused(match, model, estimator="mezo-bcd", closure=None, **given):
    with pytest.raises(BadInput, match=match) as found:
        opt = ZerothOrder(model, estimator, **given)
        opt.step(closure or (lambda: cross_entropy(model)))
    assert "\n" not in str(found.value)


def test_what_cannot_be_reused_says_so():
    reuse = {"reuse_prefix": True}
    model = stack()
    refused("block-coordinate method, such as mezo-bcd", model, "mezo", **reuse)
    refused(r"Sequential has no list of layers \(nn.ModuleList\)", net(), **reuse)
    refused("give model=", list(model.parameters()), **reuse)
    twice = lambda: cross_entropy(model) + cross_entropy(model)  # noqa: E731
    refused(
        "once in each call of the closure; .* give micro_batches", model, closure=twice, **reuse
    )
    refused("once in each call", model, closure=lambda: torch.tensor(1.0), **reuse)


def test_layers_that_tell_each_other_more_than_their_output_are_found():
    model = remembering()
    with pytest.raises((BadInput, IndexError)):
        ZerothOrder(model, "mezo-bcd", reuse_prefix=True).step(lambda: cross_entropy(model))
    assert not any("forward" in vars(part) for part in model.modules())


def test_a_later_closure_that_runs_the_layers_twice_is_refused():
    model = stack()
    opt = ZerothOrder(model, "mezo-bcd", **BCD, reuse_prefix=True)
    for _ in range(3):
        opt.step(lambda: cross_entropy(model))
    before = raw(copy.deepcopy(model))
    with pytest.raises(BadInput, match="once in each call"):
        opt.step(lambda: cross_entropy(model) + cross_entropy(model))
    assert torch.allclose(raw(model), before, atol=1e-6)


# ------------------------------------------------------------------ what scratch cannot be


class Returns(nn.Module):
    """A module that hands out its weight, for others to read."""

    def __init__(self, view: bool):
        super().__init__()
        self.weight, self.view = nn.Parameter(torch.ones(4)), view

    def forward(self):
        return self.weight[None] if self.view else self.weight


class Soft(nn.Module):
    def __init__(self, view: bool):
        super().__init__()
        self.prompt, self.linear = Returns(view), nn.Linear(4, 1)

    def forward(self, x):
        return self.linear(x + self.prompt())


@pytest.mark.parametrize("view", [False, True])
@pytest.mark.parametrize("given", [SCRATCH, PAIRED], ids=str)
def test_a_weight_that_leaves_its_module_is_refused(view, given):
    model = Soft(view)
    before = raw(model)
    refused("outside the forward", model, "mezo", loss_of(model), **given)
    assert torch.equal(raw(model), before)


def test_what_cannot_be_scratch_says_so():
    model = net()
    refused("did you mean 'scratch'", model, realisation="scrach")
    refused("scratch needs the module", [torch.zeros(2)], "mezo", **SCRATCH)
    own = [*model.named_parameters(), ("other", torch.zeros(2))]
    with pytest.raises(BadInput, match="other is not a parameter of Sequential"):
        ZerothOrder(own, model=model, **SCRATCH)
    counted = lambda: (model(X) > model[0].weight.mean()).float().mean()  # noqa: E731
    refused("outside the forward", model, "mezo", counted, **SCRATCH)

    def with_gradient():
        with torch.enable_grad():
            return ((model(X) - Y) ** 2).mean()

    refused("the closure computes gradients", model, "mezo", with_gradient, **SCRATCH)


@pytest.mark.parametrize("given", [SCRATCH, PAIRED], ids=str)
def test_a_loss_that_is_not_finite_is_not_blamed_on_scratch(given):
    model = net()
    opt = ZerothOrder(model, on_nonfinite="skip", **given)
    opt.step(lambda: model(X).sum() * float("nan"))
    assert opt.skipped == 1


@pytest.mark.parametrize("given", [SCRATCH, PAIRED], ids=str)
def test_a_compiled_model_trains_in_scratch_too(given):
    """As if it were not compiled."""
    plain, model = net(), net()
    losses = run(plain, lr=LR, eps=EPS, closure=loss_of(plain), steps=3)[0]
    compiled = torch.compile(model, backend="eager")
    ours = run(model, lr=LR, eps=EPS, closure=loss_of(compiled), steps=3, **given)[0]
    assert ours == pytest.approx(losses, rel=1e-5)
