"""Scores of a row in a batch are those of the row alone, in every family that transformers ships.

Or the family is refused when a model of it is looked at. Every way of making scores is tried: label
words of one token and of several, masks of our own, buckets of one length, prompts before texts.
"""

from __future__ import annotations

import functools

import pytest
import torch
from causal_families import LONGEST, VOCABULARY, WINDOW, small
from torch.nn.functional import cross_entropy
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as FAMILIES

from zobench.engine.prefix import SharedLayers
from zobench.errors import BadInput
from zobench.objectives.llm.batches import Batch, LabelWords
from zobench.objectives.llm.buckets import Bucket, tokens
from zobench.objectives.llm.loss import label_scores
from zobench.objectives.llm.masks import obeys
from zobench.objectives.llm.recorders import graphs
from zobench.objectives.llm.words import packs
from zobench.objectives.prompt._inject import check
from zobench.objectives.prompt._passes import Passes

# One of each mechanism: windows in all or some layers, chunks, windows of their own making, states.
FEW = ["opt", "mistral", "gemma3_text", "llama4_text", "gpt_neo", "gpt_oss", "mamba", "mpt"]
REFUSED = ["rwkv", "bart", "roberta", "xlnet", "doge"]
ONE = LabelWords(torch.tensor([[10], [20], [30]]), (1, 1, 1), (10, 20, 30))
THREE = torch.tensor([[10, 11, 12], [20, 20, 20], [30, 31, 31]])
SEVERAL = LabelWords(THREE, (3, 1, 2), (10, 20, 30))
SHORT, LONG = (3, 5, 4), (30, 2, 20, 13)  # tokens of the rows; the window is WINDOW
PROMPT = [7, 8, 9]


def rows(lengths):
    generator = torch.Generator().manual_seed(sum(lengths))
    return [torch.randint(5, VOCABULARY, (n,), generator=generator) for n in lengths]


def batch(texts, words, fixed=False) -> Batch:
    width = max(map(len, texts))
    ids = torch.stack([torch.cat([row.new_zeros(width - len(row)), row]) for row in texts])
    mask = torch.stack([(torch.arange(width) >= width - len(row)).long() for row in texts])
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    return Batch(ids, mask, positions, ids.new_zeros(len(texts)), words, fixed)


def prompted(texts, words) -> Batch:
    """<s>, places for the prompt, padding, text."""
    made = batch(texts, words)
    front = made.ids.new_ones(len(texts), 1 + len(PROMPT))
    ids, mask = torch.cat([front, made.ids], 1), torch.cat([front, made.mask], 1)
    return Batch(ids, mask, (mask.cumsum(1) - 1).clamp(min=0), made.labels, words)


def alone(model, texts, words):
    """Log-probabilities of the words, (rows, words): each after each row by itself, plainly."""
    found = []
    for row in texts:
        for word, n in zip(words.ids, words.lengths):
            ids = torch.cat([row, word[:n]])[None]
            told = model(input_ids=ids, use_cache=False).logits[0].float().log_softmax(-1)
            found.append(torch.stack([told[len(row) - 1 + j, word[j]] for j in range(n)]).mean())
    return torch.stack(found).view(len(texts), -1).log_softmax(1)


@functools.cache
def weighty(kind):
    """A model whose tokens change the loss by more than rounding does; None if it is refused."""
    try:
        model = small(kind)
        model(input_ids=torch.randint(5, VOCABULARY, (2, 20)), use_cache=False)
    except Exception as error:  # of another form, or it needs a package
        pytest.skip(f"cannot be built small: {type(error).__name__}: {str(error)[:80]}")
    try:
        label_scores(model, batch(rows(SHORT), ONE))
    except BadInput:
        return None
    return model


def close(found, wanted):
    torch.testing.assert_close(found.log_softmax(1), wanted, rtol=0.0, atol=1e-5)


@torch.no_grad()
def every_way(kind, order):
    model = weighty(kind)
    if model is None:
        pytest.skip("refused when it is looked at")
    for words in (ONE, SEVERAL):
        for lengths in order:
            texts = rows(lengths)
            wanted = alone(model, texts, words)
            close(label_scores(model, batch(texts, words)), wanted)
            close(label_scores(model, batch(texts, words, fixed=True)), wanted)
            bucket = Bucket(batch(texts, words), tokens(max(lengths)))
            bucket.load(batch(texts, words))
            close(label_scores(model, bucket.batch), wanted)


@torch.no_grad()
def prompts(kind, order):
    model = weighty(kind)
    if model is None:
        pytest.skip("refused when it is looked at")
    passes = Passes(model, 1, 1 + len(PROMPT))
    try:
        check(model, 1, 1 + len(PROMPT))
    except BadInput:
        pytest.skip("refused when it is looked at for prompts")
    vectors = model.get_input_embeddings()(torch.tensor([PROMPT, PROMPT[::-1]]))[:, None]
    for words in (ONE, SEVERAL):
        for lengths in order:
            texts = rows(lengths)
            found = passes.scores(vectors, prompted(texts, words)).float()
            for told, prompt in zip(found, (PROMPT, PROMPT[::-1])):
                read = [torch.cat([torch.tensor([1, *prompt]), row]) for row in texts]
                close(told, alone(model, read, words))


ORDERS = pytest.mark.parametrize("order", [(SHORT, LONG), (LONG, SHORT)], ids=["short", "long"])


@ORDERS
@pytest.mark.parametrize("kind", FEW)
def test_a_row_in_a_batch_is_the_row_alone(kind, order):
    weighty.cache_clear()
    every_way(kind, order)


@pytest.mark.parametrize("kind", FEW)
def test_no_mechanism_is_refused_instead(kind):
    assert weighty(kind) is not None


@pytest.mark.parametrize("kind", FEW)
def test_a_text_after_a_prompt_is_that_text(kind):
    prompts(kind, (SHORT, LONG))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind not in FEW])
def test_a_row_is_the_row_alone_in_every_family(kind):
    weighty.cache_clear()
    every_way(kind, (SHORT, LONG))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind not in FEW])
def test_a_text_after_a_prompt_is_that_text_in_every_family(kind):
    prompts(kind, (SHORT, LONG))


def test_a_model_that_reads_tokens_in_each_layer_takes_no_prompts():
    with pytest.raises(BadInput, match="reads more of a token than its embedding"):
        check(small("gemma4_text"), 1, 1 + len(PROMPT))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.no_grad()
def test_words_share_a_sequence_where_the_window_holds_all_of_it(dtype):
    """However much of a 16-bit number the tokens before the window are."""
    model = small("mistral", sliding_window=40).to(dtype)
    tail = sum(SEVERAL.lengths) - len(SEVERAL.lengths)
    for width in (50, 5, 40 - tail, 41 - tail, 5):
        few = batch(rows((width, 3)), SEVERAL)
        assert packs(model, few) == (width + tail <= 40)
        assert obeys(model, few) == (width <= 40)


@torch.no_grad()
def test_a_window_that_the_configuration_does_not_name():
    model = small("gpt_neo")
    delattr(model.config, "window_size")  # the layers have their own
    for lengths in (SHORT, LONG):
        texts = rows(lengths)
        close(label_scores(model, batch(texts, SEVERAL)), alone(model, texts, SEVERAL))
        close(label_scores(model, batch(texts, ONE, True)), alone(model, texts, ONE))


@torch.inference_mode()
@pytest.mark.parametrize("words", [ONE, SEVERAL], ids=["one", "several"])
def test_recorded_losses_have_their_window(words):
    """Batches within the window are recorded, longer ones computed, with a word of it, once."""
    model = small("mistral", sliding_window=16)
    made = graphs("on", "walk", model, 0, words, 40)
    made.patience = 0

    def compare(lengths):
        texts = rows(lengths)
        shown = batch(texts, words)
        wanted = cross_entropy(alone(model, texts, words), shown.labels)
        assert float(made.loss(shown, SharedLayers())) == pytest.approx(float(wanted), abs=1e-5)

    compare(SHORT)
    with pytest.warns(RuntimeWarning, match="no attention mask of our own for a batch of 30 tok"):
        compare(LONG)
    for lengths in (SHORT, LONG, SHORT):
        compare(lengths)
    assert made.describe() == "tape"


@pytest.mark.parametrize("kind", REFUSED)
def test_what_reads_padding_or_later_tokens_is_refused(kind):
    with pytest.raises(BadInput, match=r"padding|encoder") as error:
        label_scores(small(kind), batch(rows(SHORT), ONE))
    assert "such as OPT, GPT-2 or Llama" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_rows_are_on_both_sides_of_the_window():
    assert max(SHORT) < WINDOW < max(LONG) < LONGEST
