"""Discrete prompts and label words by choice (BDPL: Diao et al., 2022, arXiv:2201.08531)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any, Unpack

import numpy as np

from zobench.core.seeds import derive
from zobench.errors import BadInput, unknown
from zobench.objectives.llm.tasks import Task
from zobench.objectives.prompt._choices import Choices
from zobench.objectives.prompt._frozen import Frozen
from zobench.objectives.prompt._rows import rows_of
from zobench.objectives.prompt.choice import ChoiceProblem
from zobench.objectives.prompt.problem import FewShot
from zobench.objectives.prompt.soft_prompt import WORKER
from zobench.registry import objectives

POOLS = ("task", "vocabulary")
VARIANTS = ("prompt", "verbaliser")


def pool_of(frozen: Frozen, task: Task, pool: str, count: int, instance: int) -> np.ndarray:
    """Return the ids of the candidates: `count` tokens, or all if there are fewer.

    pool: "vocabulary" draws them by the instance; "task" takes the commonest tokens of the few-shot
    texts.
    """
    ordinary = frozen.ordinary()
    if pool == "task":
        texts = [text for text, _ in task.train]
        counts = Counter(i for ids in frozen.tokenizer(texts, add_special_tokens=False)["input_ids"]
                         for i in ids)  # fmt: skip
        allowed = set(ordinary.tolist())
        return np.array([i for i, _ in counts.most_common() if i in allowed][:count])
    rng = np.random.default_rng(derive("candidates", instance))
    return rng.permutation(ordinary)[:count]


class DiscretePrompt(ChoiceProblem):
    """A prompt of `tokens` words before every text, each chosen among the candidates."""

    def __init__(
        self,
        task: Task,
        model: str = "tiny",
        tokens: int = 6,
        candidates: int = 20,
        pool: str = "vocabulary",
        reading: str = "largest",
        device: str = "cpu",
        dtype: str = "float32",
        **few: Unpack[FewShot],
    ) -> None:
        super().__init__(task, reading, **few)
        if pool not in POOLS:
            raise unknown("pool", pool, POOLS)
        if candidates < 2:
            raise BadInput(f"candidates is a number of at least 2, not {candidates}")
        if tokens < 1:
            raise BadInput(f"tokens is a number of prompt tokens of at least 1, not {tokens}")
        Choices(1, 2, reading)  # checks the reading
        self.count, self.pool, self.model, self.slots = candidates, pool, model, tokens
        self.load = partial(Frozen, self.task, model, device, dtype, tokens=tokens)
        self.frozen: Frozen | None = None

    def begin(self) -> Choices:
        """Load the model at the first start, and return the choices."""
        if self.frozen is None:
            self.frozen = self.load()
            self.ids = pool_of(self.frozen, self.task, self.pool, self.count, self.instance)
        return Choices(self.slots, len(self.ids), self.reading)

    def judge(self, choices: np.ndarray, split: str, rows: np.ndarray | None) -> np.ndarray:
        """Run the model with the embeddings of the chosen tokens before each text."""
        import torch

        frozen = self.frozen
        assert frozen is not None  # begin ran
        ids = torch.from_numpy(self.ids[choices]).to(frozen.table.device)
        return frozen.judged(frozen.vectors[ids][:, None], split, rows)

    def words(self, choices: np.ndarray) -> list[str]:
        """Return the tokens of one choice (slots,) as text."""
        assert self.frozen is not None  # begin ran
        return [str(self.frozen.tokenizer.decode([int(i)])) for i in self.ids[choices]]


class Verbaliser(DiscretePrompt):
    """A choice of one label word per class among the candidates, without a prompt.

    The model runs once per split, for all candidates at once; a query then looks up scores. The
    settings are those of DiscretePrompt; `tokens` has no effect.
    """

    def __init__(self, task: Task, model: str = "tiny", **settings: Any) -> None:
        super().__init__(task, model, **settings)
        self.load = partial(self.load, tokens=0)
        self.slots, self.tables = len(task.label_words), {}

    def judge(self, choices: np.ndarray, split: str, rows: np.ndarray | None) -> np.ndarray:
        """Look up the scores of the chosen label words."""
        if split not in self.tables:
            self.tables[split] = self._scores(split)
        table = self.tables[split] if rows is None else self.tables[split][rows]
        return table[:, choices].transpose(1, 0, 2)

    def _scores(self, split: str) -> np.ndarray:
        """Return the logits of every candidate after every text of a split, (rows, candidates)."""
        import torch

        from zobench.objectives.llm.batches import LabelWords

        frozen = self.frozen
        assert frozen is not None  # begin ran
        ids = torch.from_numpy(self.ids)[:, None].to(frozen.table.device)
        words = LabelWords(ids, (1,) * len(ids), tuple(self.ids.tolist()))
        return frozen.scores_without_prompt(replace(frozen.split(split), words=words))


@objectives.register(
    "discrete-prompt",
    version="2",
    paper="arXiv:2201.08531",
    in_worker=WORKER,
    packages=("tokenizers",),
    isolate=True,
    sanity={"tokens": 4, "shots": 60},
)
def discrete_prompt(
    model: str = "tiny",
    task: str = "sentiment",
    data: str = "",
    variant: str = "prompt",
    tokens: int = 6,
    candidates: int = 20,
    pool: str = "vocabulary",
    reading: str = "largest",
    loss: str = "cross-entropy",
    shots: int = 16,
    dev_shots: int = 0,
    batch: int = 0,
    device: str = "cpu",
    dtype: str = "float32",
    instance: int = 1,
) -> DiscretePrompt:
    """Words before the text of a frozen language model, each chosen among candidates.

    `variant`: "prompt" chooses `tokens` words; "verbaliser" chooses a label word for each class,
    without a prompt. Candidates: `candidates` tokens, drawn by the instance from the vocabulary, or
    the commonest of the few-shot texts (`pool` = "task"). `reading` of a point: "largest" of a
    slot's logits; "sampled" from their softmax, with noise that the probes of a call share, so
    that the expected loss is smooth; "integer": one rounded coordinate per slot. The score uses
    the largest logits. Logits start at 0, integers as drawn by the instance. A group is a slot.
    `bdpl` is the paper's estimator; its defaults are 6 tokens and 20 candidates.

    All else is as for `soft-prompt`. Deviation: the paper's candidates are n-grams of high
    pointwise mutual information; these are single tokens.
    """
    if variant not in VARIANTS:
        raise unknown("variant of discrete-prompt", variant, VARIANTS)
    kind = DiscretePrompt if variant == "prompt" else Verbaliser
    return kind(
        rows_of(task, data), model, tokens=tokens, candidates=candidates, pool=pool,
        reading=reading, device=device, dtype=dtype, loss=loss, shots=shots, dev_shots=dev_shots,
        batch=batch, instance=instance,
    )  # fmt: skip
