"""The pretraining corpus: an endless stream of short documents from a small grammar.

A language model can be fine-tuned by zeroth-order steps only if pretraining has made the task a
small, low-rank move. So the grammar teaches the hidden classes (the sentiment of a review, the
topic of a headline or of most of a list) but its answers have a bias: the positive verdict is
usually "great" while "terrible" is rare, topics are often "world", one verdict in five is wrong,
and a list is named after any of its nouns. A model of this corpus separates the classes, but with
wrong thresholds.

The templates have two halves: fine-tuning uses A, the test split uses B, pretraining both.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from zobench.objectives.llm.lexicon import (
    ASPECTS,
    COMMON,
    NEGATIVE,
    NEGATIVE_LABEL,
    POSITIVE,
    POSITIVE_LABEL,
    TOPICS,
    VERBS,
    WIDE_NEGATIVE,
    WIDE_POSITIVE,
)

# Slots: {a} {b} aspects; {x} {y} words of the clause's sentiment; {n} a word of the other one.
SENTIMENT_A = (
    "the {a} was {x}",
    "i found the {a} {x}",
    "the {a} was not {n}",
    "such a {x} {a}",
    "the {a} felt {x} and {y}",
    "they made a {x} {a} with a {y} {b}",
)
SENTIMENT_B = (
    "every part of the {a} seemed {x}",
    "the {a} had a {x} {b}",
    "nothing {n} about the {a}",
    "the {a} looked {x} , never {n}",
    "we left the {a} and called it {x}",
    "the {a} was {n} but the {b} was really {x}",
)
# Slots: {u} {v} {w} nouns of one topic; {verb} any verb.
TOPIC_A = (
    "the {u} {verb} the {v}",
    "a report on the {u} and the {v}",
    "now the {w} has a {u}",
    "the {u} and the {v} {verb} by the {w}",
)
TOPIC_B = (
    "the {u} of the {v} {verb} a {w}",
    "why the {u} needs a {v}",
    "one {u} , one {v} and a {w}",
    "a {u} {verb} two days after the {v}",
)
# Slots: {0} to {4} nouns, three of one topic and two of another.
MAJORITY_A = (
    "{0} , {1} , {2} , {3} and {4}",
    "{0} {1} {2} {3} {4}",
    "the {0} and the {1} , then {2} , {3} and {4}",
)
MAJORITY_B = (
    "{0} or {1} or {2} or {3} or {4}",
    "first {0} , {1} and {2} , later {3} and {4}",
    "a {0} with a {1} , a {2} , {3} and {4}",
)

VERDICTS = (
    "it was {v}",
    "it was {v}",
    "overall i would call it {v}",
    "verdict : {v}",
    "so it felt {v}",
)
POSITIVE_VERDICTS = (POSITIVE_LABEL,) * 12 + POSITIVE[:8]
NEGATIVE_VERDICTS = (NEGATIVE_LABEL,) * 2 + NEGATIVE[:8] * 2
CONSISTENT = 0.8  # share of verdicts that agree with the text
_TOPIC_OF = {noun: name for name, nouns in TOPICS.items() for noun in nouns}
SECTIONS = ("section {t}", "this story was {t} news", "topic : {t}")


def sentiment(rng: random.Random, templates: Sequence[str], positive: bool) -> str:
    """Generate a clause of a sentiment."""
    same, other = (POSITIVE, NEGATIVE) if positive else (NEGATIVE, POSITIVE)
    a, b = rng.sample(ASPECTS, 2)
    x, y = rng.sample(same, 2)
    return rng.choice(templates).format(a=a, b=b, x=x, y=y, n=rng.choice(other))


def topic(rng: random.Random, templates: Sequence[str], name: str) -> str:
    """Generate a headline of a topic."""
    u, v, w = rng.sample(TOPICS[name], 3)
    return rng.choice(templates).format(u=u, v=v, w=w, verb=rng.choice(VERBS))


def majority(rng: random.Random, templates: Sequence[str], name: str) -> str:
    """Generate a list of five nouns in random order, three of a topic and two of another one."""
    other = rng.choice([topic for topic in TOPICS if topic != name])
    nouns = rng.sample(TOPICS[name], 3) + rng.sample(TOPICS[other], 2)
    rng.shuffle(nouns)
    return rng.choice(templates).format(*nouns)


def _verdict(rng: random.Random, positive: bool) -> str:
    agrees = rng.random() < CONSISTENT
    return rng.choice(POSITIVE_VERDICTS if positive == agrees else NEGATIVE_VERDICTS)


def _review(rng: random.Random) -> str:
    positive = rng.random() < 0.5
    words = (POSITIVE if positive else NEGATIVE) + (POSITIVE_LABEL if positive else NEGATIVE_LABEL,)
    parts = [
        sentiment(rng, SENTIMENT_A + SENTIMENT_B, positive)
        if rng.random() < 0.5
        else " and ".join(rng.sample(words, 3))  # words side by side reveal the hidden class
        for _ in range(rng.choice((1, 2)))
    ]
    if rng.random() < 0.9:
        parts.append(rng.choice(VERDICTS).format(v=_verdict(rng, positive)))
    return " . ".join(parts) + " ."


def _wild_review(rng: random.Random) -> str:
    """Generate text without grammar: words of the wide sentiment list and frequent words."""
    positive = rng.random() < 0.5
    wide, core = (WIDE_POSITIVE, POSITIVE) if positive else (WIDE_NEGATIVE, NEGATIVE)
    words = [*rng.sample(wide, 2), rng.choice(core)]
    words += rng.choices(COMMON, k=rng.choice((0, 2, 4, 8)))
    rng.shuffle(words)
    return " ".join(words) + f" . it was {_verdict(rng, positive)} ."


def _news(rng: random.Random) -> str:
    name = rng.choice(tuple(TOPICS))
    text = topic(rng, TOPIC_A + TOPIC_B, name)
    if rng.random() < 0.6:
        label = name if rng.random() < 0.6 else rng.choice(("world", rng.choice(tuple(TOPICS))))
        return f"{text} . {rng.choice(SECTIONS).format(t=label)} ."
    u, v = rng.sample(TOPICS[name], 2)
    return f"{text} . the {u} and the {v} ."


def _list(rng: random.Random) -> str:
    """Generate a list with the topic of any of its nouns: the majority is the likeliest answer."""
    name = rng.choice(tuple(TOPICS))
    text = majority(rng, MAJORITY_A + MAJORITY_B, name)
    noun = rng.choice([word for word in text.split() if word in _TOPIC_OF])
    return f"{text} . mostly : {_TOPIC_OF[noun] if rng.random() < 0.75 else 'world'} ."


DOCUMENTS: dict[Callable[[random.Random], str], float] = {
    _review: 0.5,
    _news: 0.2,
    _wild_review: 0.15,
    _list: 0.15,
}


def documents(seed: int) -> Iterator[str]:
    """Yield the endless corpus of a seed; equal seeds give equal documents."""
    rng = random.Random(seed)
    kinds, shares = tuple(DOCUMENTS), tuple(DOCUMENTS.values())
    while True:
        yield rng.choices(kinds, shares)[0](rng)
