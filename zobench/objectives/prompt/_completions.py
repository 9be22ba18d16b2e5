"""A client of the completions format with log-probabilities, as OpenAI-compatible servers speak it.

POST <url>/completions {model, prompt: [texts], max_tokens: 1, temperature: 0, logprobs: n} answers
{choices: [{index, logprobs: {top_logprobs: [{token: log-probability}]}}], usage: {total_tokens}}.
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

PASSING = (408, 409, 425, 429, 500, 502, 503, 504)  # HTTP states that may pass
REDIRECTS = (301, 302, 303, 307, 308)
ENOUGH = 32  # texts after which label words that were never told will not be


@dataclass
class Completions:
    """Scores of label words: log-probabilities of the token that would follow the text.

    The key goes to `url` alone: an answer that redirects elsewhere is an error.

    A token is a label word's when the stripped word begins with the stripped token (words of
    several tokens are told by their first; the likeliest of a word's tokens counts). A word that
    is not among the `top` tokens gets the least of the log-probabilities told, which is an upper
    bound of its own. `key` names the environment variable that holds the key; it is read when a
    request is made, and is kept nowhere.
    """

    url: str
    model: str
    words: Sequence[str]
    top: int = 5
    key: str = "OPENAI_API_KEY"
    timeout: float = 60.0
    tokens: int = field(default=0, init=False)  # that the server says it counted
    texts: int = field(default=0, init=False)  # that were answered
    told: int = field(default=0, init=False)  # of these, that had a label word among the tokens

    def __post_init__(self) -> None:
        """Raises BadInput for an address that holds more than scheme, host, port and path."""
        parts = urlsplit(self.url)
        if parts.username is not None or parts.query or parts.fragment:
            raise BadInput("the address of a service holds no user name, password, ? or #; its key "
                           f"is read from the environment variable {self.key}")  # fmt: skip

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        """Scores (texts, words). Raises Transient for what may pass, else BadInput."""
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
        self._notice(tops)
        return scores

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        """What an error says of the service's answer: one line that prints, without the key."""
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

    def _notice(self, tops: Sequence[dict[str, float]]) -> None:
        """Raise BadInput where no label word was ever told: all prompts would look alike."""
        self.texts += len(tops)
        self.told += sum(any(_begins(w, token) for w in self.words for token in t) for t in tops)
        if self.texts >= ENOUGH and not self.told:
            raise BadInput(f"none of the label words {', '.join(map(repr, self.words))} was among "
                           f"the {self.top} likeliest tokens after any of {self.texts} texts, so "
                           "that all prompts look alike: ask for more tokens (top), or take label "
                           "words that the model says")  # fmt: skip

    def _scores(self, top: dict[str, float]) -> list[float]:
        least = min(top.values())
        return [
            max(
                (told for token, told in top.items() if _begins(word, token)),
                default=least,
            )
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
            opener = urllib.request.build_opener(_Stays)
            with opener.open(request, timeout=self.timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                told = self._without_key(error.read(4000).decode(errors="replace"))
            said = told[:500].strip().splitlines()
            if error.code in REDIRECTS:
                there = _host(address, error.headers.get("Location") or "")
                raise BadInput(
                    f"{address} redirects ({error.code}) to {there}; redirects are not followed, "
                    "so that the key goes nowhere else: give the address of the service itself"
                ) from None
            text = f"{address} answered {error.code} {error.reason}: {said[0] if said else ''}"
            if error.code in PASSING:
                raise Transient(text, _seconds(error.headers.get("Retry-After"))) from None
            hint = f"; the key is read from ${self.key}" if error.code in (401, 403) else ""
            raise BadInput(text + hint) from None
        except RecursionError:
            raise BadInput(f"{address} gave an answer that is nested too deeply to read") from None
        except (OSError, HTTPException, ValueError) as error:  # nobody there, cut off, no JSON
            raise Transient(f"{address}: {type(error).__name__}: {error}") from None


class _Stays(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: a request would go on with its key, to wherever the answer says."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> None:
        """Left to the handler that raises HTTPError."""

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _host(address: str, location: str) -> str:
    """Where a redirect goes, without what an address may hold of secrets."""
    try:
        there = urlsplit(urljoin(address, location))
        port = f":{there.port}" if there.port else ""
    except ValueError:
        return "an address that cannot be read"
    return f"{there.scheme}://{there.hostname or ''}{port}"


def _begins(word: str, token: str) -> bool:
    stripped = token.strip().lower()
    return bool(stripped) and word.strip().lower().startswith(stripped)


def _seconds(text: str | None) -> float:
    """What a Retry-After header asks for; dates are not read."""
    try:
        return max(0.0, float(text or 0.0))
    except ValueError:
        return 0.0
