"""A paid service as a function, with a rate limit, retries, counters and stored answers."""

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


class Transient(Exception):  # noqa: N818 - not an error if a retry succeeds
    """A failure after which a retry may succeed; the service asks to wait `wait` seconds."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


RETRIED = (Transient, ConnectionError, TimeoutError)
LONGEST = 60.0  # seconds; the longest pause that Service itself chooses
PATIENCE = 600.0  # seconds; if the service asks for a longer pause, the run ends


@dataclass
class Service:
    """A service that scores texts, called through your function `ask`.

    Equal texts are sent once. Each answer is stored before the next request is sent, so that a run
    that is killed loses at most one answer.

    Args:
        ask: a function from a list of texts to one row of scores per text.
        words: scores per row, one per label word.
        answers: where answers are stored on disk; None stores them in memory alone.
        together: the most texts per request.
        per_minute: the most requests per minute, evenly spaced; 0 for no limit.
        retries: further attempts after a transient failure: Transient, ConnectionError or
            TimeoutError.
        pause: seconds before the first retry, doubled for each further one up to 60. If the service
            asks for a longer pause, that one is taken, up to 600 seconds.
        clock: the time in seconds.
        sleep: waits for a number of seconds.

    Attributes:
        requests: requests with an answer.
        failures: requests without one.
        texts_sent: texts that were sent and scored.
        texts_reused: texts whose scores came from `answers`.

    Example:
        >>> from zobench import Service
        >>> service = Service(lambda texts: [[0.0, len(text)] for text in texts], words=2)
        >>> service(["bad", "good", "bad"]).tolist()
        [[0.0, 3.0], [0.0, 4.0], [0.0, 3.0]]
        >>> service.requests, service.texts_sent
        (1, 2)
    """

    ask: Ask
    words: int
    answers: Answers | None = None
    together: int = 16
    per_minute: float = 0.0
    retries: int = 5
    pause: float = 1.0
    clock: Callable[[], float] = field(default_factory=lambda: time.monotonic)
    sleep: Callable[[float], None] = field(default_factory=lambda: time.sleep)
    requests: int = field(default=0, init=False)
    failures: int = field(default=0, init=False)
    texts_sent: int = field(default=0, init=False)
    texts_reused: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.next: float = -math.inf  # when the next request may go
        self.memory: dict[str, np.ndarray] = {}

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Score texts.

        Args:
            texts: any number of texts.

        Returns:
            Scores of shape (texts, words), float64.

        Raises:
            BadInput: if the answer is not one row of finite scores per text, or the service asks
                for a pause of more than 600 seconds.
            Transient: if the last retry failed, or another exception of `ask`.
        """
        new = [text for text in dict.fromkeys(texts) if not self._is_stored(text)]
        for start in range(0, len(new), self.together):
            texts_part = new[start : start + self.together]
            scores = self._checked(texts_part, self._request(texts_part))
            self.requests += 1
            self.texts_sent += len(texts_part)
            if self.answers is not None:
                self.answers.store(dict(zip(texts_part, scores.tolist())))
            self.memory.update(zip(texts_part, scores))
        return np.array([self.memory[text] for text in texts])

    def _is_stored(self, text: str) -> bool:
        """True if the scores of a text are in memory, or could be read from `answers`."""
        if text in self.memory:
            return True
        row = self.answers[text] if self.answers is not None else None
        if row is None:
            return False
        try:
            self.memory[text] = self._checked([text], [row])[0]
        except BadInput:
            return False  # the stored row is damaged: it is requested again and replaced
        self.texts_reused += 1
        return True

    def _request(self, texts: Sequence[str]) -> Sequence[Sequence[float]] | np.ndarray:
        """Call `ask`, with retries after transient failures."""
        for attempt in range(self.retries + 1):
            self._wait_for_turn()
            try:
                return self.ask(texts)
            except RETRIED as error:
                self.failures += 1
                wait = getattr(error, "wait", 0.0)
                if wait > PATIENCE:
                    raise BadInput(f"{error}; it asks for a pause of {wait:g} s, and zobench waits "
                                   f"at most {PATIENCE:g} s. Try again later: with a cache, all "
                                   "answers so far are stored") from error  # fmt: skip
                if attempt == self.retries:
                    raise
                self.sleep(max(min(self.pause * 2.0**attempt, LONGEST), wait))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _wait_for_turn(self) -> None:
        if not self.per_minute:
            return
        now = self.clock()
        if now < self.next:
            self.sleep(self.next - now)
        self.next = max(now, self.next) + 60.0 / self.per_minute

    def _checked(
        self, texts: Sequence[str], answer: Sequence[Sequence[float]] | np.ndarray
    ) -> np.ndarray:
        """Return the scores of an answer as an array. Raises BadInput if they are not rows."""
        shape = len(texts), self.words
        try:
            scores = np.asarray(answer)
        except (ValueError, TypeError, RecursionError):  # rows of several lengths, or no rows
            scores = np.array(None)
        if scores.dtype.kind not in "iuf":
            raise BadInput(f"scores of {len(texts)} texts are numbers of shape {shape}, a row per "
                           "text and a column per label word, and these are not")  # fmt: skip
        if scores.shape != shape:
            raise BadInput(f"scores of {len(texts)} texts have shape {shape}, a row per text and "
                           f"a column per label word, not {scores.shape}")  # fmt: skip
        scores = scores.astype(float)
        for text, row in zip(texts, scores):
            if not np.isfinite(row).all():
                raise BadInput(f"the scores of the label words after {text!r} are {row.tolist()}, "
                               "which are not all finite")  # fmt: skip
        return scores
