"""Folders that hold no decoder, or not all of one, are refused in one line where one is loaded."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
import transformers

from zobench.bench.subject import Setup, build
from zobench.errors import BadInput
from zobench.objectives.llm import models
from zobench.objectives.llm.batches import LabelWords
from zobench.objectives.llm.loss import label_scores
from zobench.objectives.llm.reach import example
from zobench.objectives.llm.tokenizer import build_tokenizer
from zobench.registry import objectives

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "pad_token_id": 0}
WIDE = {"intermediate_size": 32, "max_position_embeddings": 140}
NARROW = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
BART = {**NARROW, "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(128)


@pytest.fixture
def folder(tmp_path, tokenizer):
    """Saves a model of a class of transformers; gives its folder."""

    def save(kind: str, config: str, **settings):
        made = getattr(transformers, f"{config}Config")(vocab_size=len(tokenizer), **settings)
        torch.manual_seed(1)
        getattr(transformers, kind)(made).save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        return tmp_path

    return save


def refused(path, *said: str) -> None:
    with pytest.raises(BadInput) as error:
        models.load(str(path))
    assert "\n" not in str(error.value)
    for part in (str(path), *said):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("BertForMaskedLM", "Bert"),
        ("RobertaForSequenceClassification", "Roberta"),
        ("DebertaV2ForMaskedLM", "DebertaV2"),
        ("AlbertForMaskedLM", "Albert"),
        ("ElectraForMaskedLM", "Electra"),
        ("BertModel", "Bert"),
    ],
)
def test_an_encoder_is_not_taken_for_a_decoder(folder, kind, config):
    path = folder(kind, config, **SMALL, **WIDE)
    refused(path, "is an encoder", "a decoder that predicts the next token is needed")


def test_what_reads_later_tokens_is_an_encoder_whatever_it_says(folder):
    path = folder("XLNetLMHeadModel", "XLNet", d_model=16, n_layer=2, n_head=2, d_inner=32)
    refused(path, "XLNetLMHeadModel is an encoder")


def test_a_model_of_two_parts_is_refused(folder):
    path = folder("BartForConditionalGeneration", "Bart", **BART, max_position_embeddings=140)
    refused(path, "of type 'bart' has an encoder before its decoder")


def test_padding_that_is_read_is_refused(folder):
    settings = {"hidden_size": 16, "attention_hidden_size": 16, "num_hidden_layers": 2}
    path = folder("RwkvForCausalLM", "Rwkv", **settings, context_length=140)
    refused(path, "RwkvForCausalLM gives a row another loss where padding stands before it")


@pytest.mark.parametrize("tied", [False, True])
def test_a_classifier_is_no_language_model(folder, tied):
    path = folder(
        "LlamaForSequenceClassification", "Llama", **SMALL, **WIDE, tie_word_embeddings=tied
    )
    refused(path, "the checkpoint is a classifier, LlamaForSequenceClassification")


def test_weights_that_are_missing_are_named(folder):
    path = folder("LlamaModel", "Llama", **SMALL, **WIDE)
    refused(path, "saved as LlamaModel, lacks 1 of the weights", "random: lm_head.weight; give")
    told = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(told | {"num_hidden_layers": 3}))
    refused(path, "lacks 10 of the weights", "lm_head.weight, model.layers.2.", " and 5 more; give")


def test_weights_of_another_shape_are_named(folder):
    path = folder("LlamaForCausalLM", "Llama", **SMALL, **WIDE)
    told = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(told | {"intermediate_size": 48}))
    refused(path, "6 weights have other shapes", "model.layers.0.mlp.down_proj.weight", "1 more")


def test_weights_that_are_no_numbers_are_refused(folder):
    path = folder("LlamaForCausalLM", "Llama", **SMALL, **WIDE)
    net = transformers.LlamaForCausalLM.from_pretrained(path)
    net.model.norm.weight.data.fill_(torch.nan)
    net.save_pretrained(path)
    refused(path, "logits that are not numbers (NaN)")


def test_damaged_weights_are_one_line(folder):
    path = folder("LlamaForCausalLM", "Llama", **SMALL, **WIDE)
    (path / "model.safetensors").unlink()
    (path / "pytorch_model.bin").write_bytes(b"rubbish")
    refused(path, "cannot load model")


@pytest.mark.parametrize(
    ("kind", "config", "more"),
    [
        ("OPTModel", "OPT", {"ffn_dim": 32, "word_embed_proj_dim": 16}),  # its head is tied
        ("GPT2LMHeadModel", "GPT2", {"bos_token_id": 1, "eos_token_id": 1}),
        ("BertLMHeadModel", "Bert", {"intermediate_size": 32, "is_decoder": True}),
    ],
)
def test_what_is_a_decoder_is_taken(folder, kind, config, more):
    path = folder(kind, config, **SMALL, **more)
    weights = path / "model.safetensors"
    from safetensors.torch import load_file, save_file

    save_file(load_file(weights) | {"more.weight": torch.ones(2)}, weights, {"format": "pt"})
    first, again = (models.load(str(path))[0] for _ in "ab")
    assert models.content_hash(first.state_dict()) == models.content_hash(again.state_dict())


@pytest.mark.parametrize("name", ["llm", "soft-prompt", "discrete-prompt", "black-box", "bench"])
def test_wherever_a_model_is_loaded(folder, name):
    path = str(folder("BertForMaskedLM", "Bert", **SMALL, **WIDE))
    setting = {"api" if name == "black-box" else "model": path}
    with pytest.raises(BadInput, match="is an encoder"):
        build(Setup(path)) if name == "bench" else objectives[name].build(setting).start(0)


LONGROPE = {"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [4.0, 3.0, 2.0, 8.0]}


@pytest.mark.parametrize("width", [3, 11, 12, 13, 20])
@pytest.mark.parametrize("lengths", [(1, 1), (3, 2)])
def test_rotary_positions_that_depend_on_the_batch_are_refused(width, lengths):
    config = transformers.Phi3Config(
        **SMALL, **WIDE, vocab_size=64, original_max_position_embeddings=12, bos_token_id=1,
        eos_token_id=2, rope_scaling=LONGROPE | {"rope_theta": 10000.0}, sliding_window=None,
    )  # fmt: skip
    torch.manual_seed(1)
    model = transformers.Phi3ForCausalLM(config).eval()
    words = LabelWords(
        torch.tensor([[10, 11, 12], [20, 21, 0]])[:, : max(lengths)], lengths, (10, 20)
    )
    batch = example(model, width, words)
    if width + max(lengths) - 1 > 12:
        with pytest.raises(BadInput, match="longer than 12 tokens") as error:
            label_scores(model, batch)
        assert "\n" not in str(error.value)
    else:
        padded = label_scores(model, batch)[1:].softmax(1)
        own = batch.mask[1].bool()
        alone = replace(
            batch, ids=batch.ids[1:, own], mask=batch.mask[1:, own],
            positions=batch.positions[1:, own], labels=batch.labels[1:], _final={},
        )  # fmt: skip
        assert torch.allclose(label_scores(model, alone).softmax(1), padded, atol=1e-5)
