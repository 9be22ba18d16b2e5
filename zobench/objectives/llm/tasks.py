"""A task is text with label words; here the generated ones, with held-out templates."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zobench.errors import BadInput, unknown
from zobench.objectives.llm import corpus
from zobench.objectives.llm.lexicon import NEGATIVE_LABEL, POSITIVE_LABEL, TOPICS

Row = tuple[str, int]  # a prompt, and the index of its label word
SIZES = (1000, 500, 1000)  # rows of train, dev and test
LARGEST = 20_000  # rows that every grammar has, in either half of its templates


@dataclass(frozen=True)
class Task:
    """Prompts and their label words; an answer is prompt + joiner + label word."""

    name: str
    label_words: list[str]
    train: list[Row]
    dev: list[Row]
    test: list[Row]
    joiner: str = " "


def _sentiment(rng: random.Random, templates: Sequence[str], label: int) -> str:
    return f"{corpus.sentiment(rng, templates, label == 1)} . it was"


def _topic(rng: random.Random, templates: Sequence[str], label: int) -> str:
    return f"{corpus.topic(rng, templates, tuple(TOPICS)[label])} . topic :"


def _majority(rng: random.Random, templates: Sequence[str], label: int) -> str:
    return f"{corpus.majority(rng, templates, tuple(TOPICS)[label])} . mostly :"


@dataclass(frozen=True)
class _Grammar:
    label_words: tuple[str, ...]
    prompt: Callable[[random.Random, Sequence[str], int], str]
    templates: tuple[str, ...]  # of train and dev
    held_out: tuple[str, ...]  # of test


_VERDICT = (NEGATIVE_LABEL, POSITIVE_LABEL)
_GRAMMARS = {
    "sentiment": _Grammar(_VERDICT, _sentiment, corpus.SENTIMENT_A, corpus.SENTIMENT_B),
    "topic": _Grammar(tuple(TOPICS), _topic, corpus.TOPIC_A, corpus.TOPIC_B),
    "majority": _Grammar(tuple(TOPICS), _majority, corpus.MAJORITY_A, corpus.MAJORITY_B),
}
GENERATED = tuple(_GRAMMARS)


def generated(
    name: str, rho: float = 0.0, seed: int = 0, sizes: tuple[int, int, int] = SIZES
) -> Task:
    """The generated task of a name: train and dev from templates A, test from templates B.

    rho: probability that a label of train or dev is replaced by another one, uniformly; test is
        clean. The texts do not depend on it. With rho = 0.1 and two labels the best reachable
        dev loss is about 0.325 nats instead of 0.
    seed: decides every row. No prompt occurs twice in train and dev together, or in test.
    Raises BadInput for an unknown name, rho outside [0, 1), or more than LARGEST rows.
    """
    if name not in _GRAMMARS:
        raise unknown("generated task", name, _GRAMMARS)
    if not 0 <= rho < 1:
        raise BadInput(f"label noise rho={rho} is not in [0, 1)")
    grammar, (train, dev, test) = _GRAMMARS[name], sizes
    if max(train + dev, test) > LARGEST:
        raise BadInput(f"sizes={sizes} asks for more rows than the grammars' {LARGEST}")
    seen = _rows(grammar, grammar.templates, train + dev, f"{name} {seed} seen")
    held = _rows(grammar, grammar.held_out, test, f"{name} {seed} held out")
    noise = random.Random(f"{name} {seed} noise")
    seen = [(text, _noisy(noise, label, len(grammar.label_words), rho)) for text, label in seen]
    return Task(name, list(grammar.label_words), seen[:train], seen[train:], held)


def _rows(grammar: _Grammar, templates: tuple[str, ...], count: int, seed: str) -> list[Row]:
    rng, found = random.Random(seed), {}
    while len(found) < count:
        label = rng.randrange(len(grammar.label_words))
        found.setdefault(grammar.prompt(rng, templates, label), label)
    return list(found.items())


def _noisy(rng: random.Random, label: int, labels: int, rho: float) -> int:
    wrong = rng.random() < rho
    shift = 1 + rng.randrange(labels - 1)  # drawn always: one stream whatever rho
    return (label + shift) % labels if wrong else label
