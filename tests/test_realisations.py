"""Scratch, walk, prefix reuse, micro-batches and packed label words: the same losses, every way."""

import copy
from functools import partial

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from zobench.core.directions import LowRank, Noise, Recipe, Restricted
from zobench.core.noise import tables
from zobench.core.problem import InPlaceProblem
from zobench.engine.prefix import Prefix
from zobench.engine.realise import realise
from zobench.engine.tensors import TensorParams
from zobench.errors import Unsuitable
from zobench.objectives.llm import masks
from zobench.objectives.llm.batches import Batch, LabelWords
from zobench.objectives.llm.loss import label_loss, textbook_loss
from zobench.objectives.llm.words import packed, packs, repeated
from zobench.registry import estimators, objectives

SMALL = {"num_hidden_layers": 4, "hidden_size": 16, "num_attention_heads": 2, "vocab_size": 60}
WIDE = {"intermediate_size": 32, "max_position_embeddings": 64}
CAUSAL = {
    "opt": lambda: transformers.OPTConfig(
        **SMALL, ffn_dim=32, word_embed_proj_dim=16, max_position_embeddings=64
    ),
    "llama": lambda: transformers.LlamaConfig(**SMALL, **WIDE, num_key_value_heads=2),
    "qwen": lambda: transformers.Qwen2Config(
        **SMALL, **WIDE, num_key_value_heads=2, tie_word_embeddings=True
    ),
    "gpt2": lambda: transformers.GPT2Config(
        n_layer=4,
        n_embd=16,
        n_head=2,
        vocab_size=60,
        n_positions=64,
        bos_token_id=0,
        eos_token_id=0,
    ),
}
ENCODERS = {
    "bert": lambda: transformers.BertConfig(**SMALL, **WIDE),
    "roberta": lambda: transformers.RobertaConfig(**SMALL, **WIDE, pad_token_id=1),
}


def net(name: str, dtype=torch.float32):
    torch.manual_seed(0)
    if name in CAUSAL:
        model = transformers.AutoModelForCausalLM.from_config(CAUSAL[name]())
    else:
        model = transformers.AutoModelForMaskedLM.from_config(ENCODERS[name]())
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(4 if p.dim() > 1 else 1)  # so that attention matters
    return model.to(dtype).eval()


def batch(lengths=(1, 1), rows: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 60, (rows, 9), generator=generator)
    mask = torch.ones_like(ids)
    for row in range(rows):
        mask[row, :row] = 0  # padding on the left
    words = torch.randint(5, 60, (len(lengths), max(lengths)), generator=generator)
    labels = torch.arange(rows) % len(lengths)
    first = tuple(words[:, 0].tolist())
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    return Batch(ids, mask, positions, labels, LabelWords(words, tuple(lengths), first))


class OneBatch(InPlaceProblem):
    """The loss of a model on a batch: over label words, or for encoders over masked tokens."""

    def __init__(self, model, realisation="walk", reuse=True, micro=0):
        self.net, self.realisation, self.reuse, self.micro = model, realisation, reuse, micro

    def start(self, seed):
        self.params = realise(self.net, self.realisation)
        self.prefix = Prefix.of(self.net, self.params)
        if not self.reuse:
            self.prefix.layers = ()
        self.loss(0)  # decides how the loss of this model is made
        return self.params

    def sharing(self, directions):
        return self.prefix.shared(self.params, directions)

    @torch.inference_mode()
    def loss(self, seed):
        if hasattr(self.net.config, "is_decoder") and type(self.net).__name__.endswith("MaskedLM"):
            shown = batch()
            return float(
                self.net(input_ids=shown.ids, attention_mask=shown.mask, labels=shown.ids).loss
            )
        return float(label_loss(self.net, batch(), self.micro))

    def score(self):
        return {"loss": self.loss(0)}


MODELS = [*CAUSAL, *ENCODERS]


def directions(params):
    layer = next(g.blocks for g in reversed(params.groups) if g.role == "layer")
    return [
        Noise(3),
        Noise(4, "rademacher"),
        Restricted(Noise(5), layer),
        Restricted(Noise(5), params.groups[0].blocks),
        Restricted(Noise(5), params.groups[-1].blocks),
        LowRank(6, 7, 2),
        Recipe(((0.5, Noise(8)), (-2.0, Restricted(Noise(9), layer)))),
    ]


@pytest.mark.parametrize("name", MODELS)
def test_scratch_equals_walk(name):
    """Bit for bit on a fresh point: both read w + s d, rounded once."""
    model = net(name)
    scratch = OneBatch(model, "scratch", reuse=False)
    params = scratch.start(0)
    params.check(lambda: scratch.loss(0))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    for direction in directions(params):
        walked = OneBatch(copy.deepcopy(model), reuse=False)
        walked.start(0)
        assert scratch.losses([(0.01, direction)], 0) == walked.losses([(0.01, direction)], 0)
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("realisation", ["walk", "scratch", "paired"])
def test_prefix_reuse_changes_no_bit(name, realisation):
    model = net(name)
    probes = [(s, d) for s in (0.01, -0.01, 0.0) for d in directions(realise(model))[2:5]]
    for k in range(3):
        ours = OneBatch(copy.deepcopy(model), realisation)
        plain = OneBatch(copy.deepcopy(model), realisation, reuse=False)
        ours.start(0), plain.start(0)
        assert ours.prefix.holds(ours.params, lambda _, loss=ours.loss: loss(0))
        assert ours.losses(probes[k::3], 0) == plain.losses(probes[k::3], 0)
        assert plain.forwards == 3
        # the last layer of four; the embeddings; what follows the layers
        assert ours.forwards == [1 + 2 / 4, 3, 1][k]


def test_mezo_bcd_costs_three_quarters_and_moves_alike():
    found = []
    for reuse in (True, False):
        problem = OneBatch(net("opt"), reuse=reuse)
        estimator = estimators["mezo-bcd"].build({"lr": 0.1, "dwell": 1, "order": "ascending"})
        estimator.start(problem.start(0), 0)
        for _ in range(12):
            estimator.step(partial(problem.losses, seed=0))
        found.append((problem.params.flat(), problem.forwards))
    (ours, cost), (plain, whole) = found
    assert (ours == plain).all()
    assert whole == 24
    # a step costs 2 on the embeddings, 2 - k/4 on layer k of 4, 1 behind them
    assert cost == 2 * (2 + 2 + 1.75 + 1.5 + 1.25 + 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("realisation", ["scratch", "paired"])
def test_what_moves_no_weights_never_drifts(realisation, dtype):
    model = net("opt", dtype)
    problem = OneBatch(model, realisation)
    before = copy.deepcopy(model.state_dict())
    for name in ("mezo", "mezo-bcd", "lozo"):
        estimator = estimators[name].build({"lr": 0.0})
        estimator.start(problem.start(0), 0)
        for _ in range(5):
            estimator.step(partial(problem.losses, seed=0))
        problem.params.flush()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_scratch_steps_as_walk_does():
    found = []
    for realisation in ("walk", "scratch", "paired"):
        problem = OneBatch(net("llama"), realisation)
        estimator = estimators["mezo"].build({"lr": 1e-4, "eps": 1e-3})
        estimator.start(problem.start(0), 0)
        for _ in range(20):
            estimator.step(partial(problem.losses, seed=0))
        found.append(problem.params.flat())
    assert abs(found[0] - found[1]).max() < 1e-5 * abs(found[0]).max()


def test_tied_weights_move_once():
    model = net("opt")
    problem = OneBatch(model, "scratch")
    params = problem.start(0)
    assert sum(b.size for b in params.blocks) == sum(p.numel() for p in model.parameters())
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight


class Scaled(torch.nn.Embedding):
    """An embedding that multiplies what it looks up, as some models' do."""

    def forward(self, ids):
        return super().forward(ids) * self.weight.shape[1] ** 0.5


class Normed(torch.nn.Embedding):
    """One that reads all of its table."""

    def forward(self, ids):
        return super().forward(ids) / self.weight.norm()


@pytest.mark.parametrize("kind", [torch.nn.Embedding, Scaled, Normed])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("rounding", [None, 4])
def test_an_embedding_makes_the_rows_it_looks_up(kind, dtype, rounding, monkeypatch):
    """To the bits of the whole table; all of it only where the forward reads more."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(kind(300, 24, dtype=dtype))
    ids = torch.tensor([[7, 299, 7], [0, 7, 8]], dtype=torch.int32)
    params = realise(model, "scratch", rounding=rounding)
    drawn = []
    accumulate_rows = tables.accumulate_rows
    monkeypatch.setattr(
        tables,
        "accumulate_rows",
        lambda out, *given, **more: (drawn.append(len(out)), accumulate_rows(out, *given, **more)),
    )
    for direction in directions(params):
        drawn.clear()
        whole = any(isinstance(p, LowRank) for _, p in direction.expand(params.blocks[0]))
        table = kind(300, 24, dtype=dtype)
        table.weight.data.copy_(model[0].weight.data)
        with torch.inference_mode(), params.probed(0.5, direction):
            found = model(ids)
        params.write_all([table.weight.data.view(-1)], params.blocks, scaled(direction, params))
        assert torch.equal(found, table(ids))
        uniforms = rounding is not None and dtype == torch.float16  # of stochastic rounding
        assert drawn == ([] if whole and not uniforms else [4])
        with pytest.raises(IndexError), torch.no_grad(), params.probed(0.5, direction):
            model(ids + 299)
    size = sum(len(b) for b in params.realisation._room._buffers.values())
    assert size == (300 * 24 + 32 if kind is Normed else 0)  # where all of it is read


def scaled(direction, params):
    return [(0.5 * weight, p) for weight, p in direction.expand(params.blocks[0])]


class Nested(torch.nn.Module):
    """A module that goes on reading its own weight after it has called others."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.randn(5))
        self.inner = torch.nn.Linear(5, 5)

    def forward(self, x):
        early = self.scale.view(1, 5)
        return (self.inner(x) * early).sum()


def test_a_module_keeps_its_copy_while_it_calls_others():
    model, x = Nested(), torch.randn(3, 5)
    apart, twin = realise(model, "scratch"), copy.deepcopy(model)
    walked = TensorParams(twin.named_parameters())
    with torch.no_grad():
        apart.check(lambda: model(x))
        with apart.probed(0.3, Noise(2)):
            found = model(x)
        with walked.probed(0.3, Noise(2)):
            assert torch.equal(found, twin(x))


class ReadsElsewhere(torch.nn.Module):
    """A module that reads the weight of another."""

    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)

    def forward(self, x):
        return self.second(x @ self.first.weight).sum()


def test_weights_read_outside_their_module_are_refused():
    model = ReadsElsewhere()
    params = realise(model, "scratch")
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(Unsuitable, match="outside the forward"):
        params.check(lambda: model(torch.ones(2, 3)))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    model.forward = lambda x: model.second(model.first(x)).sum()
    params.check(lambda: model(torch.ones(2, 3)))


def test_a_forward_that_raises_leaves_the_weights_and_the_module():
    model = net("opt")
    problem = OneBatch(model, "scratch")
    params = problem.start(0)
    before = copy.deepcopy(model.state_dict())
    handle = model.model.decoder.layers[2].register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        problem.losses([(0.1, Noise(1)), (-0.1, Noise(1))], 0)
    handle.remove()
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not any("forward" in vars(m) for m in model.modules())
    assert params.flat().shape


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("lengths", [(1, 1), (3, 1), (2, 4, 3)])
def test_the_loss_equals_the_textbook(name, lengths):
    model, shown = net(name), batch(lengths)
    with torch.inference_mode():
        expected = textbook_loss(model, shown)
        for micro in (0, 1, 3):
            torch.testing.assert_close(label_loss(model, shown, micro), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", CAUSAL)
def test_words_of_several_tokens_share_their_prompt(name):
    model, shown = net(name), batch((2, 4, 3))
    with torch.inference_mode():
        torch.testing.assert_close(
            packed(model, shown), repeated(model, shown), rtol=1e-4, atol=1e-5
        )
        assert packs(model, shown)


@pytest.mark.parametrize("name", CAUSAL)
def test_the_mask_that_nobody_looks_at_gives_the_same_loss(name, monkeypatch):
    model, shown = net(name), batch()
    with torch.inference_mode():
        expected = label_loss(model, shown)
        assert masks.obeys(model, shown)
        monkeypatch.setattr(masks, "waits", lambda tensor: True)
        assert masks.attention(model, shown).dim() == 4
        torch.testing.assert_close(label_loss(model, shown), expected, rtol=1e-5, atol=0)


def test_a_model_that_takes_no_mask_of_its_own_repeats_the_prompt(monkeypatch):
    model, shown = net("opt"), batch((2, 4))
    inner = model.model.decoder.forward

    def deaf(*args, attention_mask=None, **kwargs):
        if attention_mask is not None and attention_mask.dim() == 4:
            attention_mask = None
        return inner(*args, attention_mask=attention_mask, **kwargs)

    monkeypatch.setattr(model.model.decoder, "forward", deaf)
    with torch.inference_mode():
        assert not packs(model, shown)
        torch.testing.assert_close(label_loss(model, shown), textbook_loss(model, shown))


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 5), st.lists(st.integers(1, 4), min_size=2, max_size=4))
def test_any_words_equal_the_textbook(rows, lengths):
    model, shown = net("qwen"), batch(tuple(lengths), rows)
    with torch.inference_mode():
        torch.testing.assert_close(
            label_loss(model, shown), textbook_loss(model, shown), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("given", [{"realisation": "scratch"}, {"micro_batch": 5}])
def test_settings_of_the_objective_change_no_loss(given):
    probes = [(1e-3, Noise(1)), (-1e-3, Noise(1))]
    found = []
    for more in ({}, given):
        problem = objectives["llm"].build({"model": "tiny"} | more)
        problem.start(0)
        problem.warm_up()
        found.append(problem.losses(probes, 3))
        assert problem.describe()["realisation"] == more.get("realisation", "walk")
        assert problem.describe()["prefix_reuse"]
    assert found[0] == pytest.approx(found[1], rel=2e-6)


def test_a_model_without_a_list_of_layers_is_realised():
    """Its groups are its modules; both realisations give one loss, and no layers are shared."""
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 3), torch.nn.Flatten()
    model, images = torch.nn.Sequential(*layers), torch.randn(5, 1, 8, 8)
    found = []
    for realisation in ("walk", "scratch", "paired"):
        params = realise(model, realisation)
        assert [group.name for group in params.groups] == ["0", "2"]
        with torch.no_grad(), params.probed(0.1, Restricted(Noise(1), params.groups[1].blocks)):
            found.append(model(images))
        params.flush()
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    with torch.no_grad():
        assert not torch.allclose(found[0], model(images), atol=1e-3)
    shared = Prefix.of(model, params)
    assert not shared.layers
    assert shared.first_moved(params, [Noise(1)]) == 0
