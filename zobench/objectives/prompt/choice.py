"""Prompt problems over choices: every slot takes one of a list of candidates."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Unpack

import numpy as np

from zobench.core.seeds import derive
from zobench.core.vector import VectorParams
from zobench.objectives.llm.tasks import Task
from zobench.objectives.prompt._choices import Choices
from zobench.objectives.prompt.problem import FewShot, PromptProblem


class ChoiceProblem(PromptProblem):
    """A prompt problem whose subclass names the candidates and gives the scores of choices."""

    choices: Choices
    params: VectorParams
    stochastic: bool
    reading: str

    def __init__(self, task: Task, reading: str, **few: Unpack[FewShot]) -> None:
        super().__init__(task, **few)
        self.reading = reading
        self.stochastic |= reading == "sampled"

    @abstractmethod
    def begin(self) -> Choices:
        """Load what is needed and return the choices. Every start calls it."""

    @abstractmethod
    def judge(self, choices: np.ndarray, split: str, rows: np.ndarray | None) -> np.ndarray:
        """Return scores of the label words (n, rows, words) for choices (n, slots)."""

    @abstractmethod
    def words(self, choices: np.ndarray) -> list[str]:
        """Return the candidates of one choice (slots,) as text."""

    def start(self, seed: int) -> VectorParams:
        """Start at zero logits, or at integers drawn by the instance; the seed is not used."""
        self.choices = self.begin()
        rng = np.random.default_rng(derive("first", self.instance))
        first = rng.integers(self.choices.candidates, size=self.choices.slots)
        self.params = self.choices.params(first)
        self.reset_meters()
        return self.params

    def answers(
        self,
        points: np.ndarray,
        split: str,
        rows: np.ndarray | None = None,
        seed: int | None = None,
    ) -> np.ndarray:
        """Return scores (n, rows, words) for points (n, d); equal prompts are judged once."""
        unique, inverse = np.unique(self.choices.read(points, seed), axis=0, return_inverse=True)
        return self.judge(unique, split, rows)[inverse.reshape(-1)]

    def describe(self) -> dict[str, Any]:
        """Return the facts of the problem and the words chosen at present."""
        current = self.choices.read(self.params.x[None])[0]
        return super().describe() | {
            "reading": self.reading,
            "candidates": self.choices.candidates,
            "chosen": self.words(current),
        }
