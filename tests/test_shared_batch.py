"""One minibatch per sweep (share_batch), and layers that do not run again on a kept minibatch."""

import copy
from functools import partial

import pytest
import torch
from test_optim_realisations import IDS, cross_entropy, stack
from test_realisations import CAUSAL, OneBatch, batch, net
from torch import nn

import zobench
from zobench.core.directions import Noise, Restricted
from zobench.core.oracle import BudgetExhausted, Oracle
from zobench.core.samplers import OneGroup
from zobench.engine.paired import Paired
from zobench.errors import BadInput, Unsuitable
from zobench.harness.plan import plan
from zobench.harness.suite_file import load
from zobench.objectives.llm.in_place import LabelLoss
from zobench.optim import ZerothOrder
from zobench.registry import estimators

KEYS = ["000bff518cf90cd1b0c83f78", "f89de7c04fd1fc34a2f5928c"]
REALISATIONS = ["walk", "scratch", "paired"]
ORDERS = ["descending", "ascending", "random"]
PROBES = [(0.1, Noise(1)), (-0.1, Noise(1))]

# ------------------------------------------------------------------ the minibatch is asked again


def seen(problem):
    """Return the list that the seeds of all later calls are added to."""
    seeds, losses = [], problem.losses

    def noted(probes, seed):
        seeds.append(seed)
        return losses(probes, seed)

    problem.losses = noted
    return seeds


def test_calls_with_one_number_have_one_minibatch_and_one_price():
    problem = zobench.problem("logistic", dim=8, examples=64, batch=4)
    problem.start(0)
    seeds = seen(problem)
    oracle = Oracle(problem, budget=13, seed=3)
    for number in (None, 0, 0, 1, None, 0):
        oracle(PROBES, batch=number)
    fresh, first, second, other, later, third = seeds
    assert first == second == third
    assert len({fresh, first, other, later}) == 4
    assert oracle.queries == 12
    with pytest.raises(BudgetExhausted):
        oracle(PROBES, batch=0)


def test_noise_that_is_no_minibatch_is_not_asked_again():
    noisy = zobench.problem("sphere", dim=4, noise="additive", noise_level=0.1)
    noisy.start(0)
    with pytest.raises(Unsuitable, match="needs minibatches"):
        Oracle(noisy, budget=10, seed=0)(PROBES, batch=0)
    exact = zobench.problem("sphere", dim=4)
    exact.start(0)
    oracle = Oracle(exact, budget=10, seed=0)
    assert oracle(PROBES, batch=0) == oracle(PROBES)


@pytest.mark.parametrize("order", ORDERS)
def test_a_sweep_over_all_groups_shares_a_minibatch(order):
    asked = []

    def evaluate(probes, batch=None):
        asked.append(batch)
        return [1.0, 2.0]

    problem = OneBatch(net("opt"))
    estimator = estimators["mezo-bcd"].build({"dwell": 1, "order": order, "share_batch": True})
    estimator.start(problem.start(0), 0)
    count = len(problem.params.groups)
    for _ in range(2 * count + 1):
        estimator.step(evaluate)
    assert asked == [0] * count + [1] * count + [2]


def test_sweeps_are_numbered_with_their_dwell():
    params = OneBatch(net("opt")).start(0)
    count = len(params.groups)
    sampler = OneGroup(dwell=3)
    assert [sampler.sweep(params, t) for t in (0, 3 * count - 1, 3 * count)] == [0, 0, 1]


def test_long_stays_on_a_group_are_refused():
    with pytest.raises(BadInput, match="share_batch needs dwell=1, not 100"):
        estimators["mezo-bcd"].build({"share_batch": True})


def test_keys_of_runs_without_it_are_those_of_before():
    texts = ["mezo-bcd", "mezo-bcd:dwell=1,order=descending"]
    specs = plan(load("llm-tiny"), [*texts, f"{texts[1]},share_batch=true"], repetitions=1)
    assert [spec.key for spec in specs[:2]] == KEYS
    assert specs[2].key not in KEYS


# ------------------------------------------------------------------ layers that do not run again


class Batches(LabelLoss):
    """The label loss on the minibatch of a seed. `keeps`: leave out layers that are kept."""

    stochastic = has_batches = True

    def __init__(self, model, realisation, keeps=True, lengths=(1, 1), micro=0):
        super().__init__(realisation, "off", micro)
        self.model, self.keeps, self.lengths = model, keeps, lengths

    def start(self, seed):
        params = self.realise(self.model, batch().words, 9)
        self.loss(0)
        return params

    def minibatch(self, seed):
        whole = batch(self.lengths)
        whole.ids[:, -1] = 5 + seed % 50
        return whole

    def kept(self, directions, seed):
        if not self.keeps:
            self._batch_seed = None  # that of the last call: none comes twice
        return super().kept(directions, seed)

    def score(self):
        return {"loss": self.loss(0)}


def runs_of(model):
    """Count the forwards of each layer, of the module that each of them begins with."""
    layers = next(m for m in model.modules() if isinstance(m, nn.ModuleList))
    counts = [0] * len(layers)

    def counted(k, *_):
        counts[k] += 1

    for k, layer in enumerate(layers):
        next(layer.children()).register_forward_pre_hook(partial(counted, k))
    return counts


def swept(problem, order, steps, dtype=torch.float32):
    settings = {"lr": 1e-3, "eps": 1e-2, "dwell": 1, "order": order, "share_batch": True}
    estimator = estimators["mezo-bcd"].build(settings)
    estimator.start(problem.start(0), 0)
    losses, oracle = [], Oracle(problem, 10**6, 0)

    def evaluate(probes, batch=None):
        found = oracle(probes, batch)
        losses.extend(found)
        return found

    for _ in range(steps):
        estimator.step(evaluate)
    problem.params.flush()
    return losses, problem.params.flat()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("realisation", REALISATIONS)
@pytest.mark.parametrize("name", CAUSAL)
def test_no_loss_changes_by_a_bit(name, realisation, order):
    kept = Batches(net(name), realisation)
    whole = Batches(net(name), realisation, keeps=False)
    ours, want = swept(kept, order, 15), swept(whole, order, 15)
    assert ours[0] == want[0]
    assert (ours[1] == want[1]).all()
    assert kept.forwards < whole.forwards


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("realisation", REALISATIONS)
def test_sixteen_bits_too(realisation, dtype):
    kept = Batches(net("opt", dtype), realisation)
    whole = Batches(net("opt", dtype), realisation, keeps=False)
    ours, want = swept(kept, "descending", 13), swept(whole, "descending", 13)
    assert ours[0] == want[0]
    assert (ours[1] == want[1]).all()


@pytest.mark.parametrize("realisation", REALISATIONS)
@pytest.mark.parametrize("given", [{"lengths": (3, 1)}, {"micro": 2}], ids=str)
def test_label_words_of_several_tokens_and_micro_batches(realisation, given):
    ours = swept(Batches(net("opt"), realisation, **given), "descending", 13)
    want = swept(Batches(net("opt"), realisation, keeps=False, **given), "descending", 13)
    assert ours[0] == want[0]
    assert (ours[1] == want[1]).all()


def test_from_the_last_layer_to_the_first_the_prefix_runs_once_per_minibatch():
    model = net("opt")
    problem = Batches(model, "paired")
    counts = runs_of(model)
    estimator = estimators["mezo-bcd"].build(
        {"dwell": 1, "order": "descending", "share_batch": True, "lr": 1e-3}
    )
    estimator.start(problem.start(0), 0)
    oracle, each = Oracle(problem, 10**6, 0), []
    for _ in range(12):
        before, cost = list(counts), problem.forwards
        estimator.step(oracle)
        each.append(([b - a for a, b in zip(before, counts)], problem.forwards - cost))
    # The first sweep shows that minibatches are shared. Groups: head, four layers, embeddings.
    runs, costs = zip(*each[6:])
    assert list(runs) == [
        [1, 1, 1, 1], [0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1],
    ]  # fmt: skip
    assert costs == pytest.approx([1, 2 / 4, 4 / 4, 6 / 4, 2, 2])


@pytest.mark.parametrize("realisation", REALISATIONS)
def test_weights_do_not_drift(realisation):
    model = net("opt", torch.bfloat16)
    problem = Batches(model, realisation)
    params = problem.start(0)
    before = params.flat()
    layers = [g.blocks for g in params.groups]
    for blocks in reversed(layers):
        direction = Restricted(Noise(1), blocks)
        problem.losses([(0.01, direction), (-0.01, direction)], 7)
    far = abs(params.flat() - before).max()
    assert far == 0.0 if realisation != "walk" else far < 1e-2


# ------------------------------------------------------------------ with the optimizer

BCD = {"lr": 1e-2, "eps": 1e-2, "dwell": 1, "order": "descending", "share_batch": True}


def trained(model, realisation, reuse, steps=14, data=None, after=None, **settings):
    """Return (losses, weights, forwards of each layer after the first step) of some steps."""
    torch.manual_seed(3)
    opt = ZerothOrder(
        model, "mezo-bcd", **BCD | settings, realisation=realisation, reuse_prefix=reuse
    )
    losses, number = [], -1
    for step in range(steps):
        number += not opt.is_same_batch
        ids = (IDS + number) % 40
        losses.append(opt.step(lambda ids=ids: cross_entropy(model, ids)))
        if step == 0:
            model.runs()  # of the checks of the closure
        if after:
            after(step, opt)
    opt.flush()
    flat = torch.cat([p.detach().reshape(-1) for p in model.parameters()])
    return losses, flat, model.runs()


@pytest.mark.parametrize("delay", [False, True])
@pytest.mark.parametrize("realisation", REALISATIONS)
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_training_is_the_same_with_fewer_runs_of_layers(realisation, dropout, delay):
    """Layers that draw random numbers are not kept: each step draws others."""
    ours = trained(stack(dropout=dropout).train(), realisation, True, delay=delay)
    want = trained(stack(dropout=dropout).train(), realisation, False, delay=delay)
    assert ours[0] == want[0]
    assert torch.equal(ours[1], want[1])
    if dropout == 0.0:
        # The group "head" has a weight that is read before the layers: there is no prefix then.
        runs = [0, 1, 0, 0, 2, 2, 2, 1, 0, 0, 2, 2, 2, 1]  # of the first layer, step by step
        halves = 2 if realisation == "paired" else 1  # which runs a layer once for both probes
        assert ours[2][0] == sum(n if n == 1 else n // halves for n in runs)
        assert ours[2][3] == 26 // halves
    else:
        assert sum(ours[2]) <= sum(want[2])


@pytest.mark.parametrize("realisation", REALISATIONS)
def test_what_other_code_writes_to_weights_is_noticed(realisation):
    def clip(step, opt):
        if step % 3 == 1:
            with torch.no_grad():
                opt.param_groups[0]["params"][4].mul_(0.5)

    ours = trained(stack(dropout=0.0), realisation, True, after=clip)
    want = trained(stack(dropout=0.0), realisation, False, after=clip)
    assert ours[0] == want[0]
    assert torch.equal(ours[1], want[1])


class Counting(nn.Module):
    """A layer with a norm over the batch, whose buffers each step writes once."""

    def __init__(self):
        super().__init__()
        self.linear, self.norm = nn.Linear(8, 8), nn.BatchNorm1d(8)

    def forward(self, x):
        return x + self.norm(self.linear(x).tanh())


class Normed(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.layers = nn.ModuleList(Counting() for _ in range(3))
        self.head = nn.Linear(8, 1)

    def forward(self, x):
        x = self.first(x)
        for layer in self.layers:
            x = layer(x)
        return self.head(x).square().mean()


@pytest.mark.parametrize("realisation", ["walk", "scratch"])
def test_buffers_are_written_in_each_step(realisation):
    x, found = torch.randn(16, 4, generator=torch.Generator().manual_seed(0)), []
    for reuse in (True, False):
        torch.manual_seed(0)
        model = Normed().train()
        opt = ZerothOrder(model, "mezo-bcd", **BCD, realisation=realisation, reuse_prefix=reuse)
        losses = [opt.step(lambda m=model: m(x)) for _ in range(7)]
        found.append((losses, [b.clone() for b in model.buffers()]))
    assert found[0][0] == found[1][0]
    assert all(map(torch.equal, found[0][1], found[1][1]))
    assert [int(b) for b in model.buffers() if not b.is_floating_point()] == [7] * 3


@pytest.mark.parametrize("realisation", REALISATIONS)
def test_another_minibatch_within_a_sweep_is_refused(realisation):
    model = stack(dropout=0.0)
    model.shift.requires_grad_(False)
    opt = ZerothOrder(model, "mezo-bcd", **BCD, realisation=realisation, reuse_prefix=True)
    data = iter(range(100))

    def step():
        ids = (IDS + next(data)) % 40
        return opt.step(lambda: cross_entropy(model, ids))

    step()
    assert opt.is_same_batch
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(BadInput, match="gave another minibatch in the middle of a sweep"):
        for _ in range(3):
            step()
            before = copy.deepcopy(model.state_dict())
    assert all(
        torch.equal(v, before[k]) or realisation == "walk" for k, v in model.state_dict().items()
    )


def test_a_loaded_state_goes_on_with_a_fresh_minibatch():
    model = stack(dropout=0.0)
    make = partial(ZerothOrder, model, "mezo-bcd", **BCD, reuse_prefix=True)
    opt = make()
    for _ in range(3):
        opt.step(lambda: cross_entropy(model))
    state = opt.state_dict()
    other = make()
    other.load_state_dict(state)
    assert other.is_same_batch
    opt.load_state_dict(state)
    for optimizer in (other, opt):
        optimizer.step(lambda: cross_entropy(model, (IDS + 1) % 40))


@pytest.mark.parametrize("realisation", REALISATIONS)
@pytest.mark.parametrize("name", CAUSAL)
def test_a_models_own_loss_with_its_store_of_keys(name, realisation):
    ids, found = batch().ids, []
    for reuse in (True, False):
        model = net(name)
        opt = ZerothOrder(model, "mezo-bcd", **BCD, realisation=realisation, reuse_prefix=reuse)
        losses = [opt.step(lambda m=model: m(input_ids=ids, labels=ids).loss)]  # and checks
        counts = runs_of(model)
        losses += [opt.step(lambda m=model: m(input_ids=ids, labels=ids).loss) for _ in range(8)]
        found.append((losses, counts))
    assert found[0][0] == found[1][0]
    assert sum(found[0][1]) < sum(found[1][1])


@pytest.mark.parametrize("realisation", REALISATIONS)
def test_adapters_in_each_layer_are_groups(realisation):
    from test_paired import Adapter

    ids, found = batch().ids, []
    for reuse in (True, False):
        torch.manual_seed(0)
        model = net("llama").requires_grad_(False)
        for layer in model.model.layers:
            layer.self_attn.q_proj = Adapter(layer.self_attn.q_proj)
        opt = ZerothOrder(model, "mezo-bcd", **BCD, realisation=realisation, reuse_prefix=reuse)
        found.append(
            [opt.step(lambda m=model: m(input_ids=ids, labels=ids).loss) for _ in range(9)]
        )
    assert found[0] == found[1]


def test_a_plan_test_inside_a_call_keeps_nothing_of_its_probes():
    """The first forward of a new kind is tested with other probes, which move all layers."""
    model = net("opt")
    kept, whole = Batches(model, "paired"), Batches(copy.deepcopy(model), "scratch", keeps=False)
    params = kept.start(0)
    whole.start(0)
    realisation = params.realisation
    assert isinstance(realisation, Paired)
    layer = [g.blocks for g in params.groups if g.role == "layer"][2]
    probes = [(s, Restricted(Noise(1), layer)) for s in (0.01, -0.01)]
    for seed in (3, 3, 3):
        realisation.plans.clear()
        assert kept.losses(probes, seed) == pytest.approx(whole.losses(probes, seed), rel=1e-5)
