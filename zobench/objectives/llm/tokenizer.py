"""The embedded models' tokenizer: one token per word, lower case, left padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zobench.objectives.llm import corpus, lexicon

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def vocabulary() -> list[str]:
    """List every word once, in a fixed order: specials, label words, grammar, common English."""
    templates = (
        corpus.SENTIMENT_A + corpus.SENTIMENT_B + corpus.TOPIC_A + corpus.TOPIC_B
        + corpus.MAJORITY_A + corpus.MAJORITY_B + corpus.VERDICTS + corpus.SECTIONS
    )  # fmt: skip
    grammar = [word for text in templates for word in text.split() if not word.startswith("{")]
    words = [lexicon.POSITIVE_LABEL, lexicon.NEGATIVE_LABEL, "yes", "no", "mostly", *grammar]
    words += lexicon.POSITIVE + lexicon.NEGATIVE + lexicon.ASPECTS + lexicon.VERBS
    for name, nouns in lexicon.TOPICS.items():
        words += (name, *nouns)
    words += lexicon.WIDE_POSITIVE + lexicon.WIDE_NEGATIVE + lexicon.COMMON + lexicon.MARKS
    return [*lexicon.SPECIAL, *dict.fromkeys(words)]


def build_tokenizer(max_length: int) -> PreTrainedTokenizerFast:
    """Make a word-level tokenizer: lower case, split at spaces and marks, <s> at the start."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    ids = {word: i for i, word in enumerate(vocabulary())}
    pad, bos, eos, unknown = lexicon.SPECIAL
    backend = Tokenizer(models.WordLevel(ids, unk_token=unknown))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("isolated")]
    )
    backend.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, ids[bos])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=pad,
        bos_token=bos,
        eos_token=eos,
        unk_token=unknown,
        padding_side="left",
        truncation_side="left",
        model_max_length=max_length,
    )
