"""The realisation "paired": all probes of a call in one forward, equal to perturbed copies."""

import copy

import pytest
import torch
import transformers
from test_realisations import MODELS, OneBatch, directions, net
from torch import nn

from zobench.core.directions import Noise, Restricted
from zobench.engine import paired
from zobench.engine.realise import realise
from zobench.optim import ZerothOrder
from zobench.registry import estimators

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def calls_of(model):
    """Count the forwards of a model by its first layer norm, which runs once in each."""
    seen = []
    norm = next(m for m in model.modules() if isinstance(m, nn.LayerNorm) or "Norm" in str(type(m)))
    norm.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    return seen


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MODELS)
def test_losses_are_those_of_perturbed_copies(name, dtype):
    model = net(name, dtype)
    ours = OneBatch(model, "paired")
    copies = OneBatch(copy.deepcopy(model), "scratch", reuse=False)
    params = ours.start(0)
    copies.start(0)
    params.check(lambda: ours.loss(0))
    before = copy.deepcopy(model.state_dict())
    for direction in directions(params):
        probes = [(0.01, direction), (-0.01, direction), (0.0, direction), (0.02, Noise(11))]
        found, want = ours.losses(probes, 0), copies.losses(probes, 0)
        assert found == pytest.approx(want, rel=1e-5 if dtype == torch.float32 else 2e-3)
    assert all(plan.works for plan in params.realisation.plans.values())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", MODELS)
def test_one_forward_serves_all_probes(name):
    model = net(name)
    problem = OneBatch(model, "paired")
    params = problem.start(0)
    probes = [(s, Noise(k)) for k in range(3) for s in (0.01, -0.01)]
    problem.losses(probes, 0)  # also tests the forward
    rows = calls_of(model)
    problem.losses(probes, 0)
    assert len(rows) == 1
    many = [(0.01, Noise(k)) for k in range(2 * paired.MOST)]
    rows.clear()
    problem.losses(many, 0)
    assert len(rows) == 2
    assert params.realisation.moves_weights is False


@pytest.mark.parametrize("name", ["mezo", "mezo-bcd", "lozo", "zo-adam", "zo-momentum"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_trains_as_scratch_does(name, dtype):
    found = []
    for realisation in ("scratch", "paired"):
        problem = OneBatch(net("opt", dtype), realisation)
        estimator = estimators[name].build({"lr": 1e-3, "eps": 1e-3})
        estimator.start(problem.start(0), 0)
        losses = []
        for _ in range(8):
            estimator.step(
                lambda p, f=problem, seen=losses: (seen.extend(f.losses(p, 0)), seen[-len(p) :])[1]
            )
        problem.params.flush()
        found.append((losses, problem.params.flat()))
    (scratch, one), (ours, other) = found
    assert ours == pytest.approx(scratch, rel=1e-4 if dtype == torch.float32 else 2e-2)
    far = abs(one - other)
    assert sorted(far)[len(far) // 2] < (1e-5 if dtype == torch.float32 else 1e-2)


class Mixer(nn.Module):
    """A model that subtracts the mean of its batch."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(4, 8), nn.Linear(8, 1)

    def forward(self, x):
        hidden = self.one(x).tanh()
        return self.two(hidden - hidden.mean(0))


def closure_of(model, x):
    return lambda: (model(x).float() - x.float()[:, :1]).square().mean()


def trained(model, x, realisation, steps=5, estimator="mezo", **given):
    torch.manual_seed(1)
    opt = ZerothOrder(model, estimator, lr=1e-2, eps=1e-2, realisation=realisation, **given)
    losses = [opt.step(closure_of(model, x)) for _ in range(steps)]
    opt.flush()
    return losses


def test_a_model_that_mixes_its_batch_runs_probe_by_probe():
    torch.manual_seed(0)
    model, x = Mixer(), torch.randn(16, 4)
    want = trained(copy.deepcopy(model), x, "scratch")
    with pytest.warns(RuntimeWarning, match="through Mixer one by one.* mixes rows of the batch"):
        found = trained(model, x, "paired")
    assert found == pytest.approx(want, rel=1e-5)


CONFIGS = {
    "opt": lambda: transformers.OPTConfig(
        num_hidden_layers=2, hidden_size=16, num_attention_heads=2, vocab_size=60, ffn_dim=32,
        word_embed_proj_dim=16, max_position_embeddings=64, dropout=0.1, attention_dropout=0.1,
    ),
    "gpt2": lambda: transformers.GPT2Config(
        n_layer=2, n_embd=16, n_head=2, vocab_size=60, n_positions=64, bos_token_id=0,
        eos_token_id=0,
    ),
    "llama": lambda: transformers.LlamaConfig(
        num_hidden_layers=2, hidden_size=16, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=60, intermediate_size=32, max_position_embeddings=64, attention_dropout=0.1,
    ),
    "gemma": lambda: transformers.GemmaConfig(
        num_hidden_layers=2, hidden_size=16, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8, vocab_size=60, intermediate_size=32, max_position_embeddings=64,
        pad_token_id=0, bos_token_id=1, eos_token_id=2,
    ),
    "phi": lambda: transformers.PhiConfig(
        num_hidden_layers=2, hidden_size=16, num_attention_heads=2, vocab_size=60,
        intermediate_size=32, max_position_embeddings=64,
    ),
}  # fmt: skip


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_closure_with_the_models_own_loss_and_dropout(name, implementation, training):
    """`model(**batch).loss`: the loss of each probe, on the draws that it would have alone."""
    torch.manual_seed(0)
    config = CONFIGS[name]()
    config._attn_implementation = implementation
    model = transformers.AutoModelForCausalLM.from_config(config).train(training)
    ids = torch.randint(3, 60, (3, 7))
    mask = torch.ones_like(ids)
    mask[0, :3] = 0
    labels = ids.masked_fill(mask == 0, -100)
    found = []
    for realisation in ("scratch", "paired"):
        twin = copy.deepcopy(model)
        given = {"input_ids": ids, "attention_mask": mask, "labels": labels}
        opt = ZerothOrder(twin, "mezo", lr=1e-2, eps=1e-2, realisation=realisation)
        torch.manual_seed(5)
        losses = [opt.step(lambda m=twin, given=given: m(**given).loss) for _ in range(4)]
        found.append((losses, torch.rand(1)))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-5)
    assert found[0][1] == found[1][1]  # the generators stand where they would
    assert all(plan.works for plan in opt._weights.realisation.plans.values())


@pytest.mark.parametrize("kind", ["BertForSequenceClassification", "RobertaForTokenClassification"])
def test_encoders_with_labels(kind):
    torch.manual_seed(0)
    small = {
        "num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "vocab_size": 60,
        "intermediate_size": 32, "max_position_embeddings": 64, "num_labels": 3,
    }  # fmt: skip
    config = (transformers.BertConfig if "Bert" in kind[:4] else transformers.RobertaConfig)(
        **small
    )
    model = getattr(transformers, kind)(config).train()
    ids = torch.randint(3, 60, (4, 6))
    labels = torch.randint(3, (4, 6) if "Token" in kind else (4,))
    found = []
    for realisation in ("scratch", "paired"):
        twin = copy.deepcopy(model)
        torch.manual_seed(5)
        opt = ZerothOrder(twin, "mezo", lr=1e-2, eps=1e-2, realisation=realisation)
        found.append(
            [opt.step(lambda m=twin: m(input_ids=ids, labels=labels).loss) for _ in range(4)]
        )
    assert found[1] == pytest.approx(found[0], rel=1e-5)
    assert all(plan.works for plan in opt._weights.realisation.plans.values())


class Vision(nn.Module):
    """Convolutions, norms, pooling, dropout."""

    def __init__(self, norm):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), norm(8), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2),
            norm(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.2),
        )  # fmt: skip
        self.head = nn.Linear(32, 3)

    def forward(self, x):
        return self.head(self.body(x))


NORMS = {
    "batch": nn.BatchNorm2d,
    "group": lambda width: nn.GroupNorm(2, width),
    "instance": lambda width: nn.InstanceNorm2d(width, affine=True, track_running_stats=True),
    "plain batch": lambda width: nn.BatchNorm2d(width, affine=False),
}


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("norm", NORMS)
def test_convolutions_and_norms_over_the_batch(norm, memory_format, training):
    torch.manual_seed(0)
    model = Vision(NORMS[norm]).to(memory_format=memory_format).train(training)
    x, y = torch.randn(6, 3, 9, 9), torch.randint(3, (6,))
    found = []
    for realisation in ("scratch", "paired"):
        twin = copy.deepcopy(model)
        torch.manual_seed(5)
        opt = ZerothOrder(twin, "mezo", lr=1e-2, eps=1e-2, realisation=realisation)
        losses = [opt.step(lambda m=twin: nn.functional.cross_entropy(m(x), y)) for _ in range(4)]
        buffers = [b.clone() for b in twin.buffers()]
        found.append((losses, buffers))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-5)
    for a, b in zip(found[0][1], found[1][1]):
        torch.testing.assert_close(a, b)
    assert all(plan.works for plan in opt._weights.realisation.plans.values())


class Adapter(nn.Module):
    """A frozen linear layer with a trained low-rank one beside it."""

    def __init__(self, base: nn.Linear):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down, self.up = nn.Linear(base.in_features, 2, False), nn.Linear(2, base.out_features)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


def test_adapters_on_frozen_layers():
    torch.manual_seed(0)
    model = net("llama").requires_grad_(False)
    for layer in model.model.layers:
        layer.self_attn.q_proj = Adapter(layer.self_attn.q_proj)
    ids = torch.randint(3, 60, (3, 7))
    found = []
    for realisation in ("scratch", "paired"):
        twin = copy.deepcopy(model)
        opt = ZerothOrder(twin, "mezo", lr=1e-2, eps=1e-2, realisation=realisation)
        found.append([opt.step(lambda m=twin: m(input_ids=ids, labels=ids).loss) for _ in range(4)])
    assert found[1] == pytest.approx(found[0], rel=1e-5)


def test_layers_before_the_first_moved_one_run_on_the_rows_of_one_probe():
    model = net("opt")
    problem = OneBatch(model, "paired")
    params = problem.start(0)
    layers = [group.blocks for group in params.groups if group.role == "layer"]
    rows = []
    for layer in model.model.decoder.layers:
        layer.fc1.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    for k, blocks in enumerate(layers):
        probes = [(scale, Restricted(Noise(1), blocks)) for scale in (0.01, -0.01)]
        problem.losses(probes, 0)
        problem.losses(probes, 0)
        assert rows[-4:] == [4 * 9] * k + [8 * 9] * (4 - k)  # rows and tokens in one axis


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("estimator", ["mezo", "mezo-bcd"])
def test_delayed_moves_are_written_by_the_next_pass(estimator, dtype):
    """Also those of a group that the next probes do not move."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).to(dtype)
    x, given = torch.randn(16, 4, dtype=dtype), {"estimator": estimator, "steps": 8}
    plain, waiting = copy.deepcopy(model), copy.deepcopy(model)
    losses = trained(plain, x, "paired", **given)
    assert losses == trained(waiting, x, "paired", delay=True, **given)
    for a, b in zip(plain.parameters(), waiting.parameters()):
        assert torch.equal(a, b)
    opt = ZerothOrder(waiting, "mezo", lr=1e-2, realisation="paired", delay=True)
    opt.flush()
    before = waiting[0].weight.detach().clone()
    opt.step(closure_of(waiting, x))
    assert torch.equal(waiting[0].weight, before)  # the point before the move
    opt.flush()
    assert not torch.equal(waiting[0].weight, before)


def test_an_error_in_a_forward_leaves_the_point():
    model = net("opt")
    problem = OneBatch(model, "paired")
    params = problem.start(0)
    probes = [(0.1, Noise(1)), (-0.1, Noise(1))]
    problem.losses(probes, 0)
    twin = copy.deepcopy(params.flat())
    params.add(0.01, Noise(7))
    handle = model.model.decoder.layers[2].register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        problem.losses(probes, 0)
    handle.remove()
    other = realise(net("opt"))
    other.add(0.01, Noise(7))
    assert (params.flat() == other.flat()).all()
    assert not (twin == other.flat()).all()
    assert not any("forward" in vars(m) for m in model.modules())


class Block(nn.Module):
    """A residual layer with a scale of its own."""

    def __init__(self):
        super().__init__()
        self.linear, self.scale = nn.Linear(8, 8), nn.Parameter(torch.randn(8))
        self.runs = 0

    def forward(self, x):
        self.runs += 1
        return x + self.scale * self.linear(x).tanh()


class Bare(nn.Module):
    """A class token, positions and a shift beside the modules that are called."""

    def __init__(self):
        super().__init__()
        self.linear, self.token = nn.Linear(4, 8), nn.Parameter(torch.randn(1, 1, 8))
        self.places, self.shift = nn.Parameter(torch.randn(1, 6, 8)), nn.Parameter(torch.randn(8))
        self.layers, self.head = nn.ModuleList(Block() for _ in range(3)), nn.Linear(8, 2)

    def forward(self, x):
        x = torch.cat((self.token.expand(len(x), -1, -1), self.linear(x)), 1) + self.places
        for layer in self.layers:
            x = layer(x)
        return self.head((x - self.shift)[:, 0])


class Odd(Bare):
    """The same, with a parameter that is read in another way."""

    def forward(self, x):
        return super().forward(x) * self.shift.norm()


@pytest.mark.parametrize("kind", [Bare, Odd])
@pytest.mark.parametrize("estimator", ["mezo", "mezo-bcd"])
def test_bare_parameters_beside_modules(kind, estimator):
    torch.manual_seed(0)
    model, x, y = kind(), torch.randn(4, 5, 4), torch.randint(2, (4,))
    found = []
    for realisation in ("scratch", "paired"):
        twin = copy.deepcopy(model)
        opt = ZerothOrder(twin, estimator, lr=1e-2, eps=1e-2, realisation=realisation)
        loss = lambda m=twin: nn.functional.cross_entropy(m(x), y)  # noqa: E731
        losses = [opt.step(loss) for _ in range(6)]
        twin.layers[1].runs = 0
        losses.append(opt.step(loss))
        found.append((losses, twin.layers[1].runs))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-4)
    assert found[1][1] == (2 if kind is Odd else 1)  # as a module of which all runs once per probe


IDS = torch.randint(3, 60, (3, 7), generator=torch.Generator().manual_seed(3))
IMAGES = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(3))
TEXT = {"input_ids": IDS, "labels": IDS}
PICTURES = {"pixel_values": IMAGES, "labels": torch.tensor([0, 1, 1])}
OTHERS = {
    "positions that a module makes": lambda: (
        transformers.BartForConditionalGeneration(
            transformers.BartConfig(
                vocab_size=60, d_model=16, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=32,
                decoder_ffn_dim=32, encoder_attention_heads=2, decoder_attention_heads=2,
                max_position_embeddings=64,
            )
        ),
        TEXT,
    ),
    "distances looked up in a layer": lambda: (
        transformers.T5ForConditionalGeneration(
            transformers.T5Config(
                vocab_size=60, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2,
                decoder_start_token_id=0,
            )
        ),
        TEXT | {"use_cache": False},
    ),
    "experts": lambda: (
        transformers.MixtralForCausalLM(
            transformers.MixtralConfig(
                num_hidden_layers=1, hidden_size=16, num_attention_heads=2, vocab_size=60,
                intermediate_size=32, num_key_value_heads=2, num_local_experts=4,
            )
        ),
        TEXT,
    ),
    "one layer called several times": lambda: (
        transformers.AlbertForSequenceClassification(
            transformers.AlbertConfig(
                num_hidden_layers=3, hidden_size=16, num_attention_heads=2, vocab_size=60,
                intermediate_size=32, embedding_size=8,
            )
        ),
        {"input_ids": IDS, "labels": torch.tensor([0, 1, 1])},
    ),
    "a class token and positions": lambda: (
        transformers.ViTForImageClassification(
            transformers.ViTConfig(
                num_hidden_layers=2, hidden_size=16, num_attention_heads=2, intermediate_size=32,
                image_size=32, patch_size=8, num_labels=2,
            )
        ),
        PICTURES,
    ),
    "scales of layers": lambda: (
        transformers.ConvNextForImageClassification(
            transformers.ConvNextConfig(
                hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, num_labels=2
            )
        ),
        PICTURES,
    ),
}  # fmt: skip


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("kind", OTHERS)
def test_models_of_other_kinds(kind, training):
    torch.manual_seed(0)
    model, given = OTHERS[kind]()
    model.train(training)
    found = []
    for realisation in ("scratch", "paired"):
        twin = copy.deepcopy(model)
        torch.manual_seed(5)
        opt = ZerothOrder(twin, "mezo", lr=1e-3, eps=1e-2, realisation=realisation)
        found.append([opt.step(lambda m=twin: m(**given).loss) for _ in range(3)])
    assert found[1] == pytest.approx(found[0], rel=1e-5)
    assert all(plan.works for plan in opt._weights.realisation.plans.values())
