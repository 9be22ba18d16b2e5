"""The contract of a judge: a function from texts to scores of the label words."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from zobench.registry import Registry, objectives
from zobench.testing.contract import Breach, CheckSubject, Contract, global_generators

ROWS = 12  # texts that the judge scores
WORDS = 3  # of a prompt before each text

contract = Contract("judge")
check = contract.check


def texts_of(subject: CheckSubject) -> list[str]:
    """Return texts as an objective of the same file would send them, or else generated ones."""
    if subject.file:
        for problem in _prompts(subject, objectives):
            problem.start(1)
            ask = getattr(getattr(problem, "service", None), "ask", None)
            if ask is subject.thing:
                task, prompt = problem.task, " ".join(problem.pool[:WORDS])
                rows = [*task.train, *task.dev, *task.test][:ROWS]
                return [f"{prompt} {text}{task.joiner.rstrip(' ')}" for text, _ in rows]
    from zobench.objectives.llm.tasks import generated

    task = generated("sentiment", sizes=(ROWS, 1, 1))
    return [text for text, _ in task.train]


def _prompts(subject: CheckSubject, registry: Registry) -> list[Any]:
    """Build the prompt problems that the judge's file registers."""
    from zobench.objectives.prompt.black_box import BlackBox

    entries = registry.of_module(subject.thing.__module__)
    problems = [entry.build(entry.sanity) for entry in entries]
    return [problem for problem in problems if isinstance(problem, BlackBox)]


def scores_of(subject: CheckSubject, texts: Sequence[str]) -> np.ndarray:
    """Return the judge's scores as an array. Raises Breach if they are not numbers in rows."""
    answer = subject.thing(list(texts))
    try:
        scores = np.asarray(answer)
    except (ValueError, TypeError):
        scores = np.array(None)
    if scores.dtype.kind not in "iuf":
        raise Breach("gives scores that are not rows of numbers of one length: return one row per "
                     "text and one number per label word")  # fmt: skip
    return scores.astype(float)


@check("answers")
def it_answers(subject: CheckSubject) -> None:
    """It gives one row of scores per text, with one finite number per label word."""
    texts = texts_of(subject)
    try:
        scores = scores_of(subject, texts)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        text = " ".join(str(error).split())
        raise Breach(f"raises {type(error).__name__} ({text}) on texts such as {texts[0]!r}: a "
                     "judge answers any text") from error  # fmt: skip
    if scores.ndim != 2 or len(scores) != len(texts) or scores.shape[1] < 2:
        raise Breach(f"gives scores of shape {scores.shape} for {len(texts)} texts: return one row "
                     "per text and one number per label word, two at least")  # fmt: skip


@check("docstring")
def it_is_documented(subject: CheckSubject) -> None:
    """It has a docstring that says what it scores; so has its file."""
    if not (inspect.getdoc(subject.thing) or "").strip():
        raise Breach("has no docstring: say which label words it scores, in which order")
    if not sys.modules[subject.thing.__module__].__doc__:
        raise Breach("comes from a file without a docstring: begin the file with one")


@check("finite")
def its_scores_are_finite(subject: CheckSubject) -> None:
    """All scores are finite numbers."""
    texts = texts_of(subject)
    for text, row in zip(texts, scores_of(subject, texts)):
        if not np.isfinite(row).all():
            raise Breach(f"gives the scores {row.tolist()} for {text!r}: return finite numbers, "
                         "such as log-probabilities with a floor")  # fmt: skip


@check("repeats", "finite")
def equal_texts_get_equal_scores(subject: CheckSubject) -> None:
    """It gives equal scores for equal texts, because answers are stored by text."""
    from zobench.harness.elements import seed_generators

    texts = texts_of(subject)
    seed_generators(0)  # draws from global generators are reported by another check
    scores = scores_of(subject, texts)
    seed_generators(0)
    if not np.allclose(scores_of(subject, texts), scores):
        raise Breach("gives other scores when it is asked again: ask its model without sampling "
                     "(temperature 0), as answers are stored by text")  # fmt: skip


@check("order", "repeats")
def the_order_of_texts_does_not_matter(subject: CheckSubject) -> None:
    """A text's scores do not depend on the other texts of the request or on their order."""
    texts = texts_of(subject)
    together = scores_of(subject, texts)
    if not np.allclose(scores_of(subject, texts[::-1])[::-1], together):
        raise Breach("gives other scores when the texts come in another order: score each by "
                     "itself, in the order in which they come")  # fmt: skip
    alone = np.concatenate([scores_of(subject, [text]) for text in texts])
    if not np.allclose(alone, together):
        raise Breach("gives other scores for a text alone than among others: score each by itself")


@check("texts")
def it_leaves_its_texts(subject: CheckSubject) -> None:
    """It does not change the list of texts that it is given."""
    texts = texts_of(subject)
    argument = list(texts)
    subject.thing(argument)
    if argument != texts:
        raise Breach("changes the list of texts that it is given: work on a copy")


@check("generators")
def global_generators_are_untouched(subject: CheckSubject) -> None:
    """It does not use the global generators of numpy.random, random or torch."""
    texts = texts_of(subject)
    with global_generators("a judge gives each text one answer; draw nothing"):
        scores_of(subject, texts)
