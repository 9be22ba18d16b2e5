"""A client of OpenAI-compatible servers: the completions format with log-probabilities.

The request is POST <url>/completions {model, prompt: [texts], max_tokens: 1, temperature: 0,
logprobs: n}; the answer is {choices: [{index, logprobs: {top_logprobs: [{token:
log-probability}]}}], usage: {total_tokens}}.
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.parse import urljoin, urlsplit

from zobench.errors import BadInput
from zobench.objectives.prompt.service import Transient

TRANSIENT = (408, 409, 425, 429, 500, 502, 503, 504)  # HTTP states after which a retry may succeed
REDIRECTS = (301, 302, 303, 307, 308)
ENOUGH = 32  # texts; if no label word was among the tokens after these, it is an error


@dataclass
class Completions:
    """Scores of label words: log-probabilities of the token that would follow the text.

    A token belongs to a label word if the stripped word begins with the stripped token (a word of
    several tokens is recognised by its first); the likeliest of a word's tokens counts. A word that
    is not among the `top` tokens gets the least of the log-probabilities in the answer, which is an
    upper bound of its own.

    `key` names the environment variable that holds the key. The key is read for each request, is
    stored nowhere, and is sent to `url` alone: a redirect to another address is an error.
    """

    url: str
    model: str
    words: Sequence[str]
    top: int = 5
    key: str = "OPENAI_API_KEY"
    timeout: float = 60.0
    tokens: int = field(default=0, init=False)  # as counted by the server
    texts: int = field(default=0, init=False)  # with an answer
    with_label: int = field(default=0, init=False)  # texts with a label word among the tokens

    def __post_init__(self) -> None:
        """Raises BadInput if the address holds more than scheme, host, port and path."""
        parts = urlsplit(self.url)
        if parts.username is not None or parts.query or parts.fragment:
            raise BadInput("the address of a service holds no user name, password, ? or #; its key "
                           f"is read from the environment variable {self.key}")  # fmt: skip

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        """Return scores (texts, words). Raises Transient if a retry may succeed, else BadInput."""
        body = {
            "model": self.model,
            "prompt": list(texts),
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": self.top,
        }
        with self._one_line():
            return self._read(texts, self._post(json.dumps(body).encode()))

    def _read(self, texts: Sequence[str], answer: Any) -> list[list[float]]:
        try:
            choices = sorted(answer["choices"], key=lambda choice: choice["index"])
            indices = [choice["index"] for choice in choices]
            tops = [choice["logprobs"]["top_logprobs"][0] for choice in choices]
            scores = [self._scores(top) for top in tops]
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise BadInput(
                f"{self.url} gave no log-probabilities in the completions format "
                f"({type(error).__name__}: {error}); it needs top_logprobs"
            ) from None
        if len(scores) != len(texts):
            raise BadInput(f"{self.url} gave {len(scores)} choices for {len(texts)} texts")
        if indices != list(range(len(texts))):
            raise BadInput(f"{self.url} numbered its choices {indices}, not 0 to {len(texts) - 1}: "
                           "whose they are cannot be known")  # fmt: skip
        usage = answer.get("usage")
        count = usage.get("total_tokens") if isinstance(usage, dict) else None
        self.tokens += count if isinstance(count, int) else 0
        self._check_label_words(tops)
        return scores

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        """Make the text of errors one printable line without the key."""
        try:
            yield
        except (BadInput, Transient) as error:
            text = self._without_key(str(error))
            error.args = ("".join(c if c.isprintable() else " " for c in text),)
            raise

    def _secret(self) -> str:
        return os.environ.get(self.key, "").strip()

    def _without_key(self, text: str) -> str:
        if secret := self._secret():
            return re.sub(re.escape(secret), lambda _: f"${self.key}", text, flags=re.IGNORECASE)
        return text

    def _check_label_words(self, tops: Sequence[dict[str, float]]) -> None:
        """Raise BadInput if no answer had a label word: all prompts would have equal scores."""
        self.texts += len(tops)
        self.with_label += sum(
            any(_begins(word, token) for word in self.words for token in top) for top in tops
        )
        if self.texts >= ENOUGH and not self.with_label:
            raise BadInput(f"none of the label words {', '.join(map(repr, self.words))} was among "
                           f"the {self.top} likeliest tokens after any of {self.texts} texts, so "
                           "that all prompts look alike: ask for more tokens (top), or take label "
                           "words that the model says")  # fmt: skip

    def _scores(self, top: dict[str, float]) -> list[float]:
        least = min(top.values())
        return [
            max((score for token, score in top.items() if _begins(word, token)), default=least)
            for word in self.words
        ]

    def _post(self, body: bytes) -> Any:
        headers = {"Content-Type": "application/json"}
        if secret := self._secret():
            if not (secret.isascii() and secret.isprintable()):
                raise BadInput(f"the key in ${self.key} holds characters that no key has")
            headers["Authorization"] = f"Bearer {secret}"
        address = self.url.rstrip("/") + "/completions"
        request = urllib.request.Request(address, body, headers, method="POST")
        try:
            opener = urllib.request.build_opener(_NoRedirects)
            with opener.open(request, timeout=self.timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                body_text = self._without_key(error.read(4000).decode(errors="replace"))
            lines = body_text[:500].strip().splitlines()
            if error.code in REDIRECTS:
                target = _host(address, error.headers.get("Location") or "")
                raise BadInput(
                    f"{address} redirects ({error.code}) to {target}; redirects are not followed, "
                    "so that the key goes nowhere else: give the address of the service itself"
                ) from None
            text = f"{address} answered {error.code} {error.reason}: {lines[0] if lines else ''}"
            if error.code in TRANSIENT:
                raise Transient(text, _seconds(error.headers.get("Retry-After"))) from None
            hint = f"; the key is read from ${self.key}" if error.code in (401, 403) else ""
            raise BadInput(text + hint) from None
        except RecursionError:
            raise BadInput(f"{address} gave an answer that is nested too deeply to read") from None
        except (OSError, HTTPException, ValueError) as error:  # no server, cut off, or no JSON
            raise Transient(f"{address}: {type(error).__name__}: {error}") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follow no redirect, because the request would send its key to another address."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> None:
        """Return None, so that the next handler raises HTTPError."""

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _host(address: str, location: str) -> str:
    """Return the scheme, host and port that a redirect names, without possible secrets."""
    try:
        target = urlsplit(urljoin(address, location))
        port = f":{target.port}" if target.port else ""
    except ValueError:
        return "an address that cannot be read"
    return f"{target.scheme}://{target.hostname or ''}{port}"


def _begins(word: str, token: str) -> bool:
    stripped = token.strip().lower()
    return bool(stripped) and word.strip().lower().startswith(stripped)


def _seconds(text: str | None) -> float:
    """Return the seconds of a Retry-After header; 0 for none or for a date."""
    try:
        return max(0.0, float(text or 0.0))
    except ValueError:
        return 0.0
