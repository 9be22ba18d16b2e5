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
from zobench.objectives.prompt._rows import rows_of
from zobench.objectives.prompt._sources import cache_file, from_file, local
from zobench.objectives.prompt.choice import ChoiceProblem
from zobench.objectives.prompt.problem import FewShot
from zobench.objectives.prompt.service import Ask, Service
from zobench.objectives.prompt.soft_prompt import WORKER
from zobench.registry import objectives

VERSION = "2"  # of what models of this machine answer


class BlackBox(ChoiceProblem):
    """A search for the words before a text that help a service to classify it.

    A point chooses `tokens` words among the candidates. A prompt is these words followed by a text.
    The service scores the label words of complete prompts. A query is the mean loss of one prompt
    on the train rows; the score is its loss on the dev rows. Dev rows are few by default, because
    scoring costs as much as a query.

    Args:
        task: the texts and label words.
        connect: called at the first start; returns the service, such as
            `lambda: Service(my_function, words=2)`.
        tokens: words before each text.
        candidates: the words to choose among, or how many to take of the commonest words of the
            few-shot texts.
        reading: of a point: "largest", "sampled" or "integer", as for `discrete-prompt`.
        price: of 1000 tokens, or of 1000 texts if the service does not count tokens, in any
            currency; a run reports its cost.
        **few: the settings `loss`, `shots`, `dev_shots` (16), `batch` and `instance`, as for
            `soft-prompt`.

    Raises:
        BadInput: if there are fewer than two candidates, or a setting is out of its range.

    Example:
        >>> from zobench import BlackBox, Noise, Service, Task
        >>> def judge(texts):
        ...     return [[0.0, len(text) / 10] for text in texts]
        >>> rows = [("a dull film", 0), ("a superb and moving film", 1)]
        >>> task = Task("films", ["bad", "good"], train=rows, dev=rows, test=rows)
        >>> words = ["the", "honest", "critic"]
        >>> connect = lambda: Service(judge, words=2)
        >>> problem = BlackBox(task, connect, tokens=2, candidates=words, shots=0, dev_shots=0)
        >>> problem.start(seed=1).size  # tokens * candidates
        6
        >>> problem.score()["accuracy"]
        0.5
        >>> problem.describe()["chosen"]
        ['the', 'the']
    """

    score_ratio: float = 2.0  # scores are taken at queries 1, 2, 4, ..., because each one costs
    pool: list[str]
    connect: Callable[[], Service]
    price: float

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
        self._all_choices = Choices(tokens, len(self.pool), reading)

    def begin(self) -> Choices:
        """Connect to the service at the first start.

        Returns:
            The choices: `tokens` slots, and the number of candidates.
        """
        if self.service is None:
            self.service = self.connect()
        return self._all_choices

    def warm_up(self) -> None:
        """Reset the meters without a query, which would cost."""
        self.reset_meters()

    def judge(self, choices: np.ndarray, split: str, rows: np.ndarray | None) -> np.ndarray:
        """Score prompts by the service.

        Args:
            choices: indices of candidates, shape (n, tokens).
            split: "train", "dev" or "test".
            rows: the rows of the split, as indices; None for all.

        Returns:
            Scores of the label words, shape (n, rows, words).
        """
        assert self.service is not None  # begin ran
        texts = [text + self.task.joiner.rstrip(" ") for text, _ in getattr(self.task, split)]
        if rows is not None:
            texts = [texts[i] for i in rows]
        prompts = [" ".join(self.words(choice)) for choice in choices]
        scores = self.service([f"{prompt} {text}" for prompt in prompts for text in texts])
        return scores.reshape(len(choices), len(texts), -1)

    def words(self, choices: np.ndarray) -> list[str]:
        """Name the words of a choice.

        Args:
            choices: indices of candidates, shape (tokens,).

        Returns:
            The words.
        """
        return [self.pool[i] for i in choices]

    def finish(self) -> dict[str, float]:
        """Judge the last and the best prompt on the test split.

        Returns:
            Their loss and accuracy, and the bill of the run, scoring included.
        """
        return super().finish() | self.bill()

    def bill(self) -> dict[str, float]:
        """Return the counts of texts and requests, and their price.

        Returns:
            The numbers of requests with and without an answer, of texts sent and reused, and of
            tokens; and the cost.
        """
        service = self.service
        assert service is not None  # begin ran
        tokens = getattr(service.ask, "tokens", 0)
        return {
            "requests": service.requests,
            "failed_requests": service.failures,
            "texts_asked": service.texts_sent,
            "texts_kept": service.texts_reused,
            "tokens": tokens,
            "cost": self.price * (tokens or service.texts_sent) / 1000.0,
        }


def few_tests(task: Task, rows: int, instance: int) -> Task:
    """Return the task with `rows` test rows (1 at least), drawn by the instance, to limit costs."""
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

    `api` is one of three. (1) The base address of a server that supports the completions format
    with log-probabilities (http://.../v1, with its `model`; `top` log-probabilities per text; the
    environment variable `key` holds the key). (2) `file.py:function`, your own function from texts
    to scores of the label words, one row per text. (3) A model of this machine, as for `llm`.
    Candidates: `words`, or the `candidates` commonest words of the few-shot texts. `reading`,
    `loss`, `task`, `shots`, `dev_shots`, `batch`: as for `discrete-prompt`. Dev and test rows are
    few by default, because scoring costs, too.

    A request has at most `together` texts. Each run sends at most `per_minute` requests per minute
    (0: no limit). After a transient failure (busy, cut off, late) it tries again up to `retries`
    times, after `pause`, 2 `pause`, ... seconds, or as long as the server asks for. Answers are
    stored by text in the file `cache` ("auto": a file in your cache folder for a server, none
    otherwise; "off"), so that a run that was killed does not pay twice. A run ends with its bill;
    `price` is for 1000 tokens, or for 1000 texts if the server does not count tokens. A query is
    one prompt, whether or not its answers were stored. The prompt with the best dev accuracy is the
    best among the scored ones, after 1, 2, 4, ... queries. The bill covers the process that ended
    the run.
    """
    few, served = few_tests(rows_of(task, data), test_rows, instance), "://" in api
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
        identity = [api, model, few.label_words, top if served else 0]
        if served:
            from zobench.objectives.prompt._completions import Completions  # with HTTP: 20 ms

            ask: Ask = Completions(api, model, few.label_words, top, key, timeout)
        elif ":" in api:
            ask, content = from_file(api)
            identity.append(content)
        else:
            ask = local(api, few)
            identity.append(VERSION)
        path = cache_file(cache, served)
        answers = Answers(path, repr(identity)) if path else None
        return Service(ask, len(few.label_words), answers, together, per_minute, retries, pause)

    pool = list(map(str, words)) or candidates
    return BlackBox(
        few, connect, tokens, pool, reading, price,
        loss=loss, shots=shots, dev_shots=dev_shots, batch=batch, instance=instance,
    )  # fmt: skip
