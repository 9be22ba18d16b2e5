"""Tasks: texts with label words; and the generated tasks, with held-out templates."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from zobench.errors import BadInput, unknown
from zobench.objectives.llm import corpus
from zobench.objectives.llm.lexicon import NEGATIVE_LABEL, POSITIVE_LABEL, TOPICS

LabelledText = tuple[str, int]  # a text, and the index of its label word
SIZES = (1000, 500, 1000)  # rows of train, dev and test
LARGEST = 20_000  # rows that every grammar can generate from either half of its templates


@dataclass(frozen=True)
class Task:
    """Texts to classify, each with the index of its label word.

    A model reads text + joiner and scores the label words as continuations.

    Args:
        name: of the task, for reports.
        label_words: one word per class.
        train: rows (text, index of its label word) for queries.
        dev: rows for scores.
        test: rows for the end of a run.
        joiner: the text between a text and its label word.

    Example:
        >>> from zobench import Task
        >>> rows = [("a dull film , it was", 0), ("a superb film , it was", 1)]
        >>> task = Task("films", ["bad", "good"], train=rows, dev=rows, test=rows)
        >>> text, label = task.train[1]
        >>> text + task.joiner + task.label_words[label]
        'a superb film , it was good'
    """

    name: str
    label_words: list[str]
    train: list[LabelledText]
    dev: list[LabelledText]
    test: list[LabelledText]
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
    """Generate a task: train and dev from templates A, test from templates B.

    Args:
        name: "sentiment", "topic" or "majority".
        rho: the probability that a label of train or dev is replaced by another one, uniformly;
            test has no such noise. The texts do not depend on it. With rho = 0.1 and two labels the
            best possible dev loss is about 0.325 nats instead of 0.
        seed: determines every row. No text occurs twice in train and dev together, or in test.
        sizes: the rows of train, dev and test.

    Returns:
        The task.

    Raises:
        BadInput: for an unknown name, rho outside [0, 1), or more than LARGEST rows.
    """
    if name not in _GRAMMARS:
        raise unknown("generated task", name, _GRAMMARS)
    if not 0 <= rho < 1:
        raise BadInput(f"label noise rho={rho} is not in [0, 1)")
    grammar, (train, dev, test) = _GRAMMARS[name], sizes
    if max(train + dev, test) > LARGEST:
        raise BadInput(f"sizes={sizes} asks for more rows than the grammars' {LARGEST}")
    rows = _rows(grammar, grammar.templates, train + dev, f"{name} {seed} seen")
    test_rows = _rows(grammar, grammar.held_out, test, f"{name} {seed} held out")
    noise = random.Random(f"{name} {seed} noise")
    rows = [(text, _noisy(noise, label, len(grammar.label_words), rho)) for text, label in rows]
    return Task(name, list(grammar.label_words), rows[:train], rows[train:], test_rows)


def shortened(task: Task, dev: int, test: int) -> Task:
    """Keep the first rows of the splits that are scored, for scores that cost less.

    Args:
        task: the task.
        dev: rows of dev; 0: all.
        test: rows of test; 0: all.

    Returns:
        The task with these rows.

    Raises:
        BadInput: a number of rows is negative, or larger than the split.
    """
    rows = {"dev": dev, "test": test}
    for name, count in rows.items():
        most = len(getattr(task, name))
        if not 0 <= count <= most:
            raise BadInput(
                f"{name}_rows is a number of rows up to {most}, or 0 for all, not {count}"
            )
    return replace(
        task, **{name: getattr(task, name)[:count] for name, count in rows.items() if count}
    )


def _rows(
    grammar: _Grammar, templates: tuple[str, ...], count: int, seed: str
) -> list[LabelledText]:
    rng, labels = random.Random(seed), {}
    while len(labels) < count:
        label = rng.randrange(len(grammar.label_words))
        labels.setdefault(grammar.prompt(rng, templates, label), label)
    return list(labels.items())


def _noisy(rng: random.Random, label: int, labels: int, rho: float) -> int:
    wrong = rng.random() < rho
    shift = 1 + rng.randrange(labels - 1)  # drawn for every rho, so that the stream is the same
    return (label + shift) % labels if wrong else label
