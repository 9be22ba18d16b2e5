"""The contract of a judge: a function from texts to scores of the label words."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from zobench.registry import Registry, objectives
from zobench.testing.contract import Breach, Contract, Subject, global_generators

ROWS = 12  # texts that are asked
WORDS = 3  # before each

contract = Contract("judge")
check = contract.check


def texts_of(subject: Subject) -> list[str]:
    """Texts as an objective of the same file asks them; else generated ones."""
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


def _prompts(subject: Subject, registry: Registry) -> list[Any]:
    """The prompt problems that the judge's file registers."""
    from zobench.objectives.prompt.black_box import BlackBox

    made = [entry.build(entry.sanity) for entry in registry.of_module(subject.thing.__module__)]
    return [problem for problem in made if isinstance(problem, BlackBox)]


def asked(subject: Subject, texts: Sequence[str]) -> np.ndarray:
    """The judge's scores as an array. Raises Breach where they are not numbers in rows."""
    told = subject.thing(list(texts))
    try:
        scores = np.asarray(told)
    except (ValueError, TypeError):
        scores = np.array(None)
    if scores.dtype.kind not in "iuf":
        raise Breach("gives scores that are not rows of numbers of one length: return one row per "
                     "text and one number per label word")  # fmt: skip
    return scores.astype(float)


@check("answers")
def it_answers(subject: Subject) -> None:
    """It gives one row of scores per text, with one finite number per label word."""
    texts = texts_of(subject)
    try:
        scores = asked(subject, texts)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        said = " ".join(str(error).split())
        raise Breach(f"raises {type(error).__name__} ({said}) on texts such as {texts[0]!r}: a "
                     "judge answers any text") from error  # fmt: skip
    if scores.ndim != 2 or len(scores) != len(texts) or scores.shape[1] < 2:
        raise Breach(f"gives scores of shape {scores.shape} for {len(texts)} texts: return one row "
                     "per text and one number per label word, two at least")  # fmt: skip


@check("docstring")
def it_is_documented(subject: Subject) -> None:
    """It says what it scores, and its file has a docstring."""
    if not (inspect.getdoc(subject.thing) or "").strip():
        raise Breach("has no docstring: say which label words it scores, in which order")
    if not sys.modules[subject.thing.__module__].__doc__:
        raise Breach("comes from a file without a docstring: begin the file with one")


@check("finite")
def its_scores_are_finite(subject: Subject) -> None:
    """All scores are finite numbers."""
    texts = texts_of(subject)
    for text, row in zip(texts, asked(subject, texts)):
        if not np.isfinite(row).all():
            raise Breach(f"gives the scores {row.tolist()} for {text!r}: return finite numbers, "
                         "such as log-probabilities with a floor")  # fmt: skip


@check("repeats", "finite")
def equal_texts_get_equal_scores(subject: Subject) -> None:
    """It gives the same scores when it is asked again: answers are kept by text."""
    from zobench.harness.elements import seed_generators

    texts = texts_of(subject)
    seed_generators(0)  # draws from global generators are told by another check
    once = asked(subject, texts)
    seed_generators(0)
    if not np.allclose(asked(subject, texts), once):
        raise Breach("gives other scores when it is asked again: ask its model without sampling "
                     "(temperature 0), as answers are kept by text")  # fmt: skip


@check("order", "repeats")
def the_order_of_texts_does_not_matter(subject: Subject) -> None:
    """A text's scores do not depend on the other texts of the request, nor on their order."""
    texts = texts_of(subject)
    together = asked(subject, texts)
    if not np.allclose(asked(subject, texts[::-1])[::-1], together):
        raise Breach("gives other scores when the texts come in another order: score each by "
                     "itself, in the order in which they come")  # fmt: skip
    alone = np.concatenate([asked(subject, [text]) for text in texts])
    if not np.allclose(alone, together):
        raise Breach("gives other scores for a text alone than among others: score each by itself")


@check("texts")
def it_leaves_its_texts(subject: Subject) -> None:
    """It changes nothing in the list of texts that it is given."""
    texts = texts_of(subject)
    given = list(texts)
    subject.thing(given)
    if given != texts:
        raise Breach("changes the list of texts that it is given: work on a copy")


@check("generators")
def global_generators_are_untouched(subject: Subject) -> None:
    """It draws from no generator of the whole process: numpy.random, random or torch."""
    texts = texts_of(subject)
    with global_generators("a judge gives each text one answer; draw nothing"):
        asked(subject, texts)
