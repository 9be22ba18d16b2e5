"""Discrete prompts for a black box: any function from texts to label scores, such as an API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Unpack

import numpy as np

from zobench.core.seeds import derive
from zobench.errors import BadInput
from zobench.objectives.llm.tasks import Task
from zobench.objectives.prompt._answers import Answers
from zobench.objectives.prompt._choices import Choices
from zobench.objectives.prompt._rows import named
from zobench.objectives.prompt._sources import from_file, kept_in, local
from zobench.objectives.prompt.choice import ChoiceProblem
from zobench.objectives.prompt.problem import FewShot
from zobench.objectives.prompt.service import Ask, Service
from zobench.objectives.prompt.soft_prompt import WORKER
from zobench.registry import objectives

VERSION = "2"  # of what models of this machine answer


class BlackBox(ChoiceProblem):
    """`tokens` words before every text, judged by `service`, which is called with whole texts.

    `connect()` gives the service at the first start. A user's own: a task, and
    `lambda: Service(my_function, words=2)`. Dev rows are few by default, as scoring is paid, too.
    """

    score_ratio = 2.0  # the current prompt is scored at queries 1, 2, 4, ...: each costs

    def __init__(
        self,
        task: Task,
        connect: Callable[[], Service],
        tokens: int = 4,
        candidates: int | Sequence[str] = 20,
        reading: str = "largest",
        price: float = 0.0,
        **few: Unpack[FewShot],
    ) -> None:
        """candidates: words to choose among, or how many to take, the commonest of the few-shot
        texts. price: what 1000 tokens cost, or 1000 texts where tokens are not counted."""
        super().__init__(task, reading, **FewShot(dev_shots=16) | few)
        if price < 0.0:
            raise BadInput(f"price is a number >= 0, not {price}")
        if isinstance(candidates, int):
            common = Counter(word for text, _ in self.task.train for word in text.split())
            self.pool = [word for word, _ in common.most_common(max(candidates, 0))]
        else:
            self.pool = list(dict.fromkeys(candidates))
        if len(self.pool) < 2:
            raise BadInput(f"there are two candidates at least to choose among, not {self.pool}")
        self.connect, self.price = connect, price
        self.service: Service | None = None
        self.made = Choices(tokens, len(self.pool), reading)

    def begin(self) -> Choices:
        if self.service is None:
            self.service = self.connect()
        return self.made

    def warm_up(self) -> None:
        """No query: nothing fills a cache here, and it would be paid."""
        self.reset_meters()

    def judge(self, chosen: np.ndarray, split: str, rows: np.ndarray | None) -> np.ndarray:
        assert self.service is not None  # begin ran
        texts = [text + self.task.joiner.rstrip(" ") for text, _ in getattr(self.task, split)]
        if rows is not None:
            texts = [texts[i] for i in rows]
        prompts = [" ".join(self.words(choice)) for choice in chosen]
        told = self.service([f"{prompt} {text}" for prompt in prompts for text in texts])
        return told.reshape(len(chosen), len(texts), -1)

    def words(self, chosen: np.ndarray) -> list[str]:
        return [self.pool[i] for i in chosen]

    def finish(self) -> dict[str, float]:
        """The test split, and what the run sent and paid, scoring included."""
        return super().finish() | self.bill()

    def bill(self) -> dict[str, float]:
        """Requests answered and failed, texts asked and kept, tokens counted, cost."""
        service = self.service
        assert service is not None  # begin ran
        tokens = getattr(service.ask, "tokens", 0)
        return {
            "requests": service.requests,
            "failed_requests": service.failures,
            "texts_asked": service.asked,
            "texts_kept": service.kept,
            "tokens": tokens,
            "cost": self.price * (tokens or service.asked) / 1000.0,
        }


def few_tests(task: Task, rows: int, instance: int) -> Task:
    """The task with `rows` test rows (1 at least), drawn by the instance: they are paid."""
    order = np.random.default_rng(derive("tests", instance)).permutation(len(task.test))
    return replace(task, test=[task.test[i] for i in order[: max(rows, 1)]])


@objectives.register(
    "black-box",
    version=VERSION,
    paper="arXiv:2201.08531",
    in_worker=WORKER,
    packages=("tokenizers",),
    isolate=True,
    sanity={"shots": 40, "dev_shots": 80},
)
def black_box(
    api: str = "tiny",
    model: str = "",
    task: str = "sentiment",
    data: str = "",
    tokens: int = 4,
    candidates: int = 20,
    words: tuple = (),
    reading: str = "largest",
    loss: str = "cross-entropy",
    shots: int = 16,
    dev_shots: int = 16,
    test_rows: int = 100,
    batch: int = 0,
    cache: str = "auto",
    together: int = 16,
    per_minute: float = 0.0,
    retries: int = 5,
    pause: float = 1.0,
    price: float = 0.0,
    top: int = 5,
    key: str = "OPENAI_API_KEY",
    timeout: float = 60.0,
    instance: int = 1,
) -> BlackBox:
    """Words before the text, each chosen among candidates, for a model behind an interface.

    `api`: the base address of a server that speaks the completions format with log-probabilities
    (http://.../v1, with its `model`; `top` log-probabilities a text; the environment variable
    `key` holds the key); or `file.py:function`, your own function from texts to scores of the
    label words, one row a text; or a model of this machine, as for `llm`. Candidates: `words`, or
    the `candidates` commonest words of the few-shot texts. `reading`, `loss`, `task`, `shots`,
    `dev_shots`, `batch`: as for `discrete-prompt`; scoring is asked for, too, and so is few rows.

    At most `together` texts a request and `per_minute` requests a minute (0: no limit), in each of
    the runs that are made at the same time. What may pass (busy, cut off, late) is tried again
    `retries` times, after `pause`, 2 `pause`, ... seconds or what the server asks for. Answers are
    kept in the file `cache` by text ("auto": one in your cache folder for a server, none otherwise;
    "off"), so that a run that was killed pays for nothing twice. A run ends with its bill; `price`
    is that of 1000 tokens, or of 1000 texts where tokens are not counted. A query is one prompt,
    whether its answers were kept or not. The prompt with the best dev accuracy is that among the
    scored ones, after 1, 2, 4, ... queries. The bill is that of the process that ended the run.
    """
    made, served = few_tests(named(task, data), test_rows, instance), "://" in api
    if together < 1:
        raise BadInput(f"together is a number of texts of at least 1, not {together}")
    for name, value in {"per_minute": per_minute, "retries": retries, "pause": pause}.items():
        if value < 0:
            raise BadInput(f"{name} is a number >= 0, not {value}")
    for name, value in {"top": top, "test_rows": test_rows}.items():
        if value < 1:
            raise BadInput(f"{name} is a number of at least 1, not {value}")
    if not timeout > 0.0:
        raise BadInput(f"timeout is a number of seconds above 0, not {timeout}")
    if not api or (served and not api.startswith(("http://", "https://"))):
        raise BadInput(f"api is an address (http://... or https://...), file.py:function, or a "
                       f"model as for llm, not {api!r}")  # fmt: skip
    if not all(str(word).strip() for word in words):
        raise BadInput(f"words are candidates, none of them empty, not {list(words)}")

    def connect() -> Service:
        identity = [api, model, made.label_words, top if served else 0]
        if served:
            from zobench.objectives.prompt._completions import Completions  # with HTTP: 20 ms

            ask: Ask = Completions(api, model, made.label_words, top, key, timeout)
        elif ":" in api:
            ask, content = from_file(api)
            identity.append(content)
        else:
            ask = local(api, made)
            identity.append(VERSION)
        place = kept_in(cache, served)
        answers = Answers(place, repr(identity)) if place else None
        return Service(
            ask, len(made.label_words), answers, together, per_minute, retries, pause
        )  # fmt: skip

    pool = list(map(str, words)) or candidates
    return BlackBox(
        made, connect, tokens, pool, reading, price,
        loss=loss, shots=shots, dev_shots=dev_shots, batch=batch, instance=instance,
    )  # fmt: skip
