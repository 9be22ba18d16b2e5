"""The language-model tasks: corpus, tokenizer, models, splits, losses, groups."""

import itertools
import json
import os
import re
import shutil
from pathlib import Path

import pytest
import torch

import zobench
from zobench.engine.groups import groups
from zobench.errors import BadInput
from zobench.objectives.llm import corpus, models, pretrain
from zobench.objectives.llm.batches import batches, encode, minibatch, room
from zobench.objectives.llm.glue import GLUE, glue
from zobench.objectives.llm.loss import (
    evaluate,
    label_loss,
    label_scores,
    plain_head,
    textbook_loss,
)
from zobench.objectives.llm.tasks import GENERATED, Task, generated, shortened
from zobench.objectives.llm.tokenizer import build_tokenizer, vocabulary

SPLITS = {
    "sentiment": (corpus.SENTIMENT_A, corpus.SENTIMENT_B),
    "topic": (corpus.TOPIC_A, corpus.TOPIC_B),
    "majority": (corpus.MAJORITY_A, corpus.MAJORITY_B),
}
SMALL = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "vocab_size": 858}
LLAMA = {**SMALL, "intermediate_size": 32, "num_key_value_heads": 1, "max_position_embeddings": 64}
ARCHITECTURES = {
    "opt": ("OPT", {**SMALL, "ffn_dim": 32, "word_embed_proj_dim": 16}),
    "opt projected": ("OPT", {**SMALL, "ffn_dim": 32, "word_embed_proj_dim": 8}),
    "llama": ("Llama", {**LLAMA, "tie_word_embeddings": False}),
    "qwen2": ("Qwen2", {**LLAMA, "tie_word_embeddings": True}),
    "gpt2": ("GPT2", {"n_embd": 16, "n_layer": 3, "n_head": 2, "vocab_size": 858}),
    "gemma2": ("Gemma2", {**LLAMA, "head_dim": 8, "final_logit_softcapping": 0.05}),
}


def build(name: str):
    import transformers

    kind, settings = ARCHITECTURES[name]
    config = getattr(transformers, f"{kind}Config")(**settings, pad_token_id=0)
    with models.seeded(1, torch.device("cpu")):
        net = transformers.AutoModelForCausalLM.from_config(config)
        for parameter in net.parameters():  # away from zeros and ones, as trained weights are
            parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    return net.eval()


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(128)


@pytest.fixture(scope="module")
def tiny():
    return models.load("tiny")


@pytest.fixture(params=list(ARCHITECTURES))
def net(request):
    return build(request.param)


# ------------------------------------------------------------------ corpus and tokenizer


def first(seed: int, count: int = 2000) -> list[str]:
    return list(itertools.islice(corpus.documents(seed), count))


def test_corpus_is_decided_by_its_seed():
    assert first(0) == first(0)
    assert first(0) != first(1)


def test_corpus_has_no_unknown_word_and_every_word_of_the_tasks(tokenizer):
    seen = {token for row in tokenizer(first(0))["input_ids"] for token in row}
    assert tokenizer.unk_token_id not in seen
    for name in GENERATED:
        task = generated(name)
        words = " ".join(text for text, _ in task.train + task.test).split()
        assert set(tokenizer.convert_tokens_to_ids([*set(words), *task.label_words])) <= seen


def test_verdicts_are_biased_and_mostly_right():
    assert corpus.POSITIVE_VERDICTS.count("great") > 5 * corpus.NEGATIVE_VERDICTS.count("terrible")


def test_tokenizer_is_one_token_a_word_and_pads_on_the_left(tokenizer):
    assert len(tokenizer) == len(vocabulary()) == len(set(vocabulary()))
    rows = tokenizer(["It was great, wasn't it?", "zxqv"], padding=True)["input_ids"]
    start, pad, unknown = tokenizer.convert_tokens_to_ids(["<s>", "<pad>", "<unk>"])
    words = tokenizer.convert_tokens_to_ids(["it", "was", "great", ","])
    assert rows[0][:5] == [start, *words]
    assert rows[1] == [pad] * (len(rows[0]) - 2) + [start, unknown]


# ------------------------------------------------------------------ generated tasks


def fits(templates: tuple[str, ...], prompt: str) -> bool:
    clause = prompt.rsplit(" . ", 1)[0]
    return any(re.fullmatch(re.sub(r"\{\w+\}", r"\\w+", text), clause) for text in templates)


@pytest.mark.parametrize("name", GENERATED)
def test_templates_of_test_are_held_out(name):
    task, (known, held_out) = generated(name), SPLITS[name]
    assert [len(rows) for rows in (task.train, task.dev, task.test)] == [1000, 500, 1000]
    assert all(fits(known, text) and not fits(held_out, text) for text, _ in task.train + task.dev)
    assert all(fits(held_out, text) and not fits(known, text) for text, _ in task.test)


@pytest.mark.parametrize("name", GENERATED)
def test_rows_are_decided_by_the_seed_and_never_repeat(name):
    task, again, other = generated(name, seed=3), generated(name, seed=3), generated(name, seed=4)
    assert task == again
    assert task.train != other.train
    prompts = [text for text, _ in task.train + task.dev]
    assert len(set(prompts)) == len(prompts)
    shares = [sum(y == k for _, y in task.train) for k in range(len(task.label_words))]
    assert min(shares) > 0.8 * 1000 / len(shares)


@pytest.mark.parametrize("name", GENERATED)
def test_label_noise_has_its_rate_and_spares_the_texts_and_the_test_split(name):
    clean, noisy = generated(name), generated(name, rho=0.1)
    assert clean.test == noisy.test
    pairs = list(zip(clean.train + clean.dev, noisy.train + noisy.dev))
    assert all(a[0] == b[0] for a, b in pairs)
    flipped = sum(a[1] != b[1] for a, b in pairs) / len(pairs)
    assert flipped == pytest.approx(0.1, abs=3 * (0.09 / len(pairs)) ** 0.5)
    assert {y for _, y in noisy.train} == set(range(len(clean.label_words)))


# ------------------------------------------------------------------ models


@pytest.mark.parametrize("name", models.EMBEDDED)
def test_embedded_models_are_what_their_cards_say(name):
    folder = models.FOLDER / name
    card = json.loads((folder / "card.json").read_text())
    net, tokenizer = models.load(name)
    assert card["recipe"] == pretrain.asdict(pretrain.RECIPES[name])
    assert card["parameters"] == net.num_parameters()
    assert tokenizer.convert_ids_to_tokens(range(len(tokenizer))) == vocabulary()
    assert not net.training


def test_a_changed_weight_is_noticed(tmp_path, monkeypatch):
    from safetensors.torch import load_file, save_file

    shutil.copytree(models.FOLDER / "tiny", tmp_path / "tiny")
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    models.load("tiny")
    file = tmp_path / "tiny" / "model.safetensors"
    tensors = load_file(file)
    tensors["model.decoder.layers.1.fc1.weight"][3, 4] += 1e-6
    save_file(tensors, file, {"format": "pt"})
    with pytest.raises(BadInput, match="not the published ones"):
        models.load("tiny")


def test_embedded_models_fit_in_eight_megabytes():
    files = [file for file in models.FOLDER.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 8e6


def test_random_weights_come_from_the_seed_and_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    nets = [models.load("tiny", pretrained=False, seed=seed)[0] for seed in (1, 1, 2)]
    nets += [models.random_opt(2, 16, 100, 2, 32, seed=seed) for seed in (1, 1, 2)]
    assert torch.equal(before, torch.get_rng_state())
    hashes = [models.content_hash(net.state_dict()) for net in nets]
    assert hashes[0] == hashes[1] != hashes[2]
    assert hashes[3] == hashes[4] != hashes[5]


def test_a_local_folder_loads_in_any_precision(tmp_path, tokenizer):
    net = models.random_opt(1, 16, len(tokenizer), 2, 32, seed=5)
    net.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded, _ = models.load(str(tmp_path))
    assert models.content_hash(loaded.state_dict()) == models.content_hash(net.state_dict())
    assert models.load(str(tmp_path), dtype="bfloat16")[0].dtype == torch.bfloat16


def test_pretraining_repeats_itself(tokenizer):
    recipe = pretrain.TrainingRecipe(layers=1, hidden=16, heads=2, steps=4, lr=1e-3, batch_size=8)
    losses = []
    nets = [pretrain.train(recipe, tokenizer, lambda _, loss: losses.append(loss)) for _ in "ab"]
    first, second = (models.content_hash(net.state_dict()) for net in nets)
    assert first == second
    assert losses[:4] == losses[4:]
    assert losses[3] < losses[0]


def test_pretrained_models_separate_classes_with_the_threshold_misplaced(tiny):
    """What makes the task a fair one for zeroth-order steps: see corpus.py."""
    net, tokenizer = tiny
    task = generated("sentiment")
    dev = encode(task.dev, task, tokenizer, room(net))
    rows = list(batches(dev))
    with torch.no_grad():
        scores = torch.cat([label_scores(net, batch) for batch in rows])
    labels = torch.cat([batch.labels for batch in rows])
    margin = scores[:, 1] - scores[:, 0]
    above = margin[labels == 1][:, None] > margin[labels == 0]
    assert above.float().mean() > 0.99  # area under the ROC curve
    loss, accuracy = evaluate(net, dev)
    assert accuracy < 0.6
    assert loss == pytest.approx(torch.nn.functional.cross_entropy(scores, labels).item(), 1e-5)


# ------------------------------------------------------------------ batches


def test_a_minibatch_is_decided_by_its_seed_alone(tiny):
    task = generated("topic")
    split = encode(task.train, task, tiny[1], 128)
    before = torch.get_rng_state()
    one, again, other = (minibatch(split, seed, 16) for seed in (2**64 - 1, 2**64 - 1, 0))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one.ids, again.ids)
    assert one.ids.shape != other.ids.shape or not torch.equal(one.ids, other.ids)
    everything = minibatch(split, 0, 5000)
    assert everything.labels.tolist() == [label for _, label in task.train]
    assert sum(len(batch.labels) for batch in batches(split)) == 1000
    texts = {tuple(row[mask == 1].tolist()) for row, mask in zip(one.ids, one.mask)}
    assert len(texts) == 16  # without replacement
    assert one.mask.sum(1).max() == one.ids.shape[1]  # cut to the longest row
    assert (one.ids[one.positions == 0] <= 1).all()  # <pad>, or <s> at position 0


def test_a_long_prompt_loses_its_first_words(tokenizer):
    task = Task("long", ["terrible", "great"], [("film " * 30 + "plot . it was", 1)], [], [])
    split = encode(task.train, task, tokenizer, 8)
    assert tokenizer.convert_ids_to_tokens(split.ids[0].tolist()) == (
        ["<s>", "film", "film", "plot", ".", "it", "was"]  # seven, and room for the label word
    )


# ------------------------------------------------------------------ losses


ONE = Task("one", ["terrible", "great"], *[generated("sentiment").train[:24]] * 3)
SEVERAL = Task("several", ["not so good", "a great one , really", "bad"], *[
    [(text, i % 3) for i, (text, _) in enumerate(generated("sentiment").train[:24])]
] * 3)  # fmt: skip


@pytest.mark.parametrize("task", [ONE, SEVERAL], ids=["one token", "several tokens"])
@torch.no_grad()
def test_the_loss_is_the_textbooks(net, tokenizer, task):
    split = encode(task.train, task, tokenizer, 64)
    assert split.words.single == (task is ONE)
    for seed in range(3):
        batch = minibatch(split, seed, 16)
        assert float(label_loss(net, batch)) == pytest.approx(
            float(textbook_loss(net, batch)), 1e-5
        )


@pytest.mark.parametrize("task", [ONE, SEVERAL], ids=["one token", "several tokens"])
@torch.no_grad()
def test_scores_do_not_depend_on_padding(net, tokenizer, task):
    split = encode(task.train, task, tokenizer, 64)
    together = label_scores(net, minibatch(split, 0, 24)).log_softmax(-1)
    for i in (0, 7, 23):
        alone = label_scores(net, split.take(torch.tensor([i]))).log_softmax(-1)
        torch.testing.assert_close(alone[0], together[i], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_several_tokens_by_hand(tiny):
    """Mean log-probability of the tokens of each label word, one plain forward pass each."""
    net, tokenizer = tiny
    text, label = SEVERAL.train[1]
    scores = []
    for word in SEVERAL.label_words:
        prompt, whole = (tokenizer(t)["input_ids"] for t in (text, f"{text} {word}"))
        told = net(torch.tensor([whole])).logits[0].log_softmax(-1)
        picked = [told[i - 1, whole[i]] for i in range(len(prompt), len(whole))]
        scores.append(sum(picked) / len(picked))
    expected = -torch.stack(scores).log_softmax(0)[label]
    split = encode([(text, label)], SEVERAL, tokenizer, 64)
    assert float(label_loss(net, minibatch(split, 0, 1))) == pytest.approx(float(expected), 1e-5)


def test_heads_that_change_the_logits_are_not_shortened():
    assert {name for name in ARCHITECTURES if plain_head(build(name)) is None} == {"gemma2"}


def test_the_loss_has_a_gradient_and_is_fp32(tiny, tokenizer):
    split = encode(ONE.train, ONE, tokenizer, 64)
    net = models.load("tiny", dtype="bfloat16")[0]
    low, full = (label_loss(m, minibatch(split, 0, 16)) for m in (net, tiny[0]))
    assert low.dtype == torch.float32
    assert low.item() == pytest.approx(full.item(), rel=0.05)
    low.backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


# ------------------------------------------------------------------ groups


def test_every_trainable_parameter_is_in_one_group(net):
    names, members = groups(net)
    assert names == ["embeddings", "layer.0", "layer.1", "layer.2", "head"]
    listed = [name for group in members for name in group]
    assert sorted(listed) == sorted(name for name, _ in net.named_parameters())
    assert all(f".{i}." in name for i in range(3) for name in members[1 + i])
    assert any("emb" in name or "wte" in name for name in members[0])
    assert all("norm" in n or "ln_f" in n or "out" in n or "lm_head" in n for n in members[-1])


def test_frozen_parameters_are_in_no_group():
    net = build("llama")
    net.model.embed_tokens.weight.requires_grad_(False)
    net.model.layers[1].requires_grad_(False)
    names, members = groups(net)
    assert names == ["layer.0", "layer.2", "head"]
    assert members[-1] == ["model.norm.weight", "lm_head.weight"]


# ------------------------------------------------------------------ GLUE


@pytest.fixture
def archive(tmp_path) -> Path:
    """A hand-made folder in the layout of the official archive."""
    (tmp_path / "SST-2").mkdir()
    (tmp_path / "RTE").mkdir()
    for part, count in (("train", 12), ("dev", 4)):
        reviews = [f'a fine film , "number {i}\u2028 \t{i % 2}\n' for i in range(count)]
        (tmp_path / "SST-2" / f"{part}.tsv").write_text("sentence\tlabel\n" + "".join(reviews))
        pairs = [f"{i}\tIt rains {i}.\tIt's wet.\t{'not_' * (i % 2)}entailment\n"
                 for i in range(count)]  # fmt: skip
        text = "index\tsentence1\tsentence2\tlabel\n" + "".join(pairs)
        (tmp_path / "RTE" / f"{part}.tsv").write_text(text)
    return tmp_path


def test_glue_reads_the_official_layout(archive):
    task = glue("sst2", archive, sizes=(8, 4, 10))
    assert task.label_words == ["terrible", "great"]
    rows = {(f'a fine film , "number {i} It was', i % 2) for i in range(12)}
    assert set(task.train) | set(task.dev) == rows
    assert set(task.test) == {row for row in rows if int(row[0].split()[-3]) < 4}
    assert task == glue("sst2", archive, sizes=(8, 4, 10))
    assert task.train != glue("sst2", archive, seed=1, sizes=(8, 4, 10)).train

    task = glue("rte", archive, sizes=(8, 4, 2))
    expected = 'It rains 3.\nDoes this mean that "It\'s wet." is true? Yes or No?'
    assert (expected, 1) in task.train + task.dev
    assert (task.label_words, task.joiner, len(task.test)) == (["Yes", "No"], "\n", 2)


def test_glue_runs_through_the_embedded_model(archive, tiny):
    net, tokenizer = tiny
    for name in GLUE:
        task = glue(name, archive, sizes=(8, 4, 4))
        split = encode(task.train, task, tokenizer, room(net))
        assert split.words.single
        assert 0 < evaluate(net, split)[0] < 3


@pytest.mark.skipif("ZOBENCH_GLUE" not in os.environ, reason="ZOBENCH_GLUE: no GLUE archive")
@pytest.mark.parametrize(("name", "tested"), [("sst2", 872), ("rte", 277)])
def test_real_glue(name, tested, tiny):
    task = glue(name, os.environ["ZOBENCH_GLUE"])
    assert [len(rows) for rows in (task.train, task.dev, task.test)] == [1000, 500, tested]
    tokenizer = tiny[1]
    split = encode(task.train, task, tokenizer, room(tiny[0]))
    known = split.ids[split.mask == 1] != tokenizer.unk_token_id
    assert known.float().mean() > 0.5


# ------------------------------------------------------------------ bad input


def spoil(archive: Path, file: str, old: str, new: str) -> Path:
    path = archive / file
    path.write_text(path.read_text().replace(old, new))
    return archive


GLUE_FAULTS = {
    "missing file": (lambda a: a / "no", r"no file .*train\.tsv; .*columns sentence, label"),
    "columns": (
        lambda a: spoil(a, "SST-2/dev.tsv", "sentence\t", "text\t"),
        r"dev\.tsv has columns text, label; missing sentence; expected .* sentence, label",
    ),
    "row": (lambda a: spoil(a, "SST-2/train.tsv", "number 3", "\t"), r"train\.tsv line 5 has 3"),
    "label": (lambda a: spoil(a, "SST-2/dev.tsv", "\t1", "\tgood"), r"line 3 has label 'good'"),
    "too few rows": (lambda a: a, r"train\.tsv has 12 rows; train and dev need 1000 \+ 500"),
}


@pytest.mark.parametrize("fault", GLUE_FAULTS)
def test_bad_glue_files_give_one_line(archive, fault):
    make, message = GLUE_FAULTS[fault]
    with pytest.raises(BadInput, match=message) as caught:
        glue("sst2", make(archive))
    assert "\n" not in str(caught.value)


def words(*label_words: str) -> Task:
    return Task("t", list(label_words), [("the film was good . it was", 0)], [], [])


FAULTS = {
    "near model": (lambda _: models.load("tinny"), "did you mean 'tiny'"),
    "no folder": (lambda _: models.load("/no/such/folder"), "no model folder '/no/such/folder'"),
    "no config": (lambda tmp: models.load(str(tmp)), "holds no model: config.json"),
    "device": (lambda _: models.load("tiny", device="gpu"), "no device named 'gpu'"),
    "no GPU": (lambda _: models.load("tiny", device="cuda:99"), "no device cuda:99"),
    "dtype": (lambda _: models.load("tiny", dtype="float23"), "did you mean 'float32'"),
    "heads": (lambda _: models.random_opt(1, 10, 10, 3), "hidden=10 is not a multiple of heads=3"),
    "task": (lambda _: generated("sentimant"), "did you mean 'sentiment'"),
    "glue": (lambda _: glue("sst3"), "did you mean 'sst2'"),
    "rho": (lambda _: generated("topic", rho=1.5), r"rho=1.5 is not in \[0, 1\)"),
    "rows": (lambda _: generated("topic", sizes=(20_000, 1, 1)), "more rows than .* 20000"),
    "label word": (lambda _: encoded(words("great", "zxqv")), "'zxqv' .* not known"),
    "same words": (lambda _: encoded(words("great", "Great")), "are the same tokens"),
    "no rows": (lambda _: encode([], words("great"), build_tokenizer(9), 64), "has no rows"),
    "no room": (lambda _: encoded(words("great", "bad"), 2), "max_length=2 leaves no room"),
    "batch": (lambda _: minibatch(encoded(words("great", "bad")), 0, 0), "batch_size=0"),
}


def encoded(task: Task, max_length: int = 64):
    return encode(task.train, task, build_tokenizer(128), max_length)


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_input_gives_one_line(fault, tmp_path):
    make, message = FAULTS[fault]
    with pytest.raises(BadInput, match=message) as caught:
        make(tmp_path)
    assert "\n" not in str(caught.value)


def test_an_unreachable_hub_gives_one_line(monkeypatch, capfd):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(BadInput, match="cannot load model 'nobody/nothing'") as caught:
        models.load("nobody/nothing")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_scores_may_read_the_first_rows_of_their_splits():
    whole = generated("sentiment")
    short = shortened(whole, 20, 0)
    assert short.dev == whole.dev[:20]
    assert (short.train, short.test) == (whole.train, whole.test)
    assert len(shortened(whole, 0, 7).test) == 7
    for rows in ((-1, 0), (501, 0)):
        with pytest.raises(BadInput, match="dev_rows is a number of rows up to 500, or 0 for all"):
            shortened(whole, *rows)
    problem = zobench.problem("llm", dev_rows=20, test_rows=10)
    assert (len(problem.task.dev), len(problem.task.test)) == (20, 10)
