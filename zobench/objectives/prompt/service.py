"""A paid service as a plain function: a rate limit, retries, costs, and answers kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from zobench.errors import BadInput
from zobench.objectives.prompt._answers import Answers

# Texts -> scores of the label words, one row per text: lists or an array.
Ask = Callable[[Sequence[str]], Sequence[Sequence[float]] | np.ndarray]


class Transient(Exception):  # noqa: N818 - it may pass
    """A failure that may pass: `wait` is how many seconds the service asks for, 0 if none."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


PASSING = (Transient, ConnectionError, TimeoutError)
LONGEST = 60.0  # seconds; no pause that we choose is longer
PATIENCE = 600.0  # seconds; a service that asks for a longer pause is given up


@dataclass
class Service:
    """Scores of texts from `ask`, at most `together` texts a request.

    per_minute: requests a minute (0: no limit), spread evenly. A failure that may pass is tried
    again up to `retries` times, after `pause`, 2 `pause`, 4 `pause`, ... seconds, or after what
    the service asks for, if that is longer, up to PATIENCE. An answer is kept before the next
    request is made: a killed run loses at most the one that was on its way.
    """

    ask: Ask
    words: int
    answers: Answers | None = None
    together: int = 16
    per_minute: float = 0.0
    retries: int = 5
    pause: float = 1.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    requests: int = field(default=0, init=False)  # that were answered
    failures: int = field(default=0, init=False)  # that were not
    asked: int = field(default=0, init=False)  # texts sent and answered
    kept: int = field(default=0, init=False)  # texts found among the answers

    def __post_init__(self) -> None:
        self.next = -math.inf  # when the next request may go
        self.memory: dict[str, np.ndarray] = {}

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Scores (texts, words). Equal texts are asked for once."""
        wanted = [text for text in dict.fromkeys(texts) if not self._known(text)]
        for start in range(0, len(wanted), self.together):
            some = wanted[start : start + self.together]
            told = self._checked(some, self._tried(some))
            self.requests += 1
            self.asked += len(some)
            if self.answers is not None:
                self.answers.keep(dict(zip(some, told.tolist())))
            self.memory.update(zip(some, told))
        return np.array([self.memory[text] for text in texts])

    def _known(self, text: str) -> bool:
        if text in self.memory:
            return True
        told = self.answers[text] if self.answers is not None else None
        if told is None:
            return False
        try:
            self.memory[text] = self._checked([text], [told])[0]
        except BadInput:
            return False  # what was kept is damaged: it is asked for again, and replaced
        self.kept += 1
        return True

    def _tried(self, texts: Sequence[str]) -> Sequence[Sequence[float]] | np.ndarray:
        for attempt in range(self.retries + 1):
            self._wait_for_turn()
            try:
                return self.ask(texts)
            except PASSING as error:
                self.failures += 1
                asked = getattr(error, "wait", 0.0)
                if asked > PATIENCE:
                    raise BadInput(f"{error}; it asks for a pause of {asked:g} s, and {PATIENCE:g} "
                                   "s are waited for at most. Try again later: answers are kept "
                                   "where there is a cache") from error  # fmt: skip
                if attempt == self.retries:
                    raise
                self.sleep(max(min(self.pause * 2.0**attempt, LONGEST), asked))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _wait_for_turn(self) -> None:
        if not self.per_minute:
            return
        now = self.clock()
        if now < self.next:
            self.sleep(self.next - now)
        self.next = max(now, self.next) + 60.0 / self.per_minute

    def _checked(
        self, texts: Sequence[str], told: Sequence[Sequence[float]] | np.ndarray
    ) -> np.ndarray:
        wanted = len(texts), self.words
        try:
            scores = np.asarray(told)
        except (ValueError, TypeError, RecursionError):  # rows of several lengths, or no rows
            scores = np.array(None)
        if scores.dtype.kind not in "iuf":
            raise BadInput(f"scores of {len(texts)} texts are numbers of shape {wanted}, a row per "
                           "text and a column per label word, and these are not")  # fmt: skip
        if scores.shape != wanted:
            raise BadInput(f"scores of {len(texts)} texts have shape {wanted}, a row per text and "
                           f"a column per label word, not {scores.shape}")  # fmt: skip
        scores = scores.astype(float)
        for text, row in zip(texts, scores):
            if not np.isfinite(row).all():
                raise BadInput(f"the scores of the label words after {text!r} are {row.tolist()}, "
                               "which are not all finite")  # fmt: skip
        return scores
