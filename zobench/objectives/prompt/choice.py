"""A prompt problem over choices: every slot takes one of a list of candidates."""

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
    """A subclass names the candidates and gives the scores of chosen ones."""

    choices: Choices

    def __init__(self, task: Task, reading: str, **few: Unpack[FewShot]) -> None:
        super().__init__(task, **few)
        self.reading = reading
        self.stochastic |= reading == "sampled"

    @abstractmethod
    def begin(self) -> Choices:
        """Load what is needed and say what there is to choose. Called by every start."""

    @abstractmethod
    def judge(self, chosen: np.ndarray, split: str, rows: np.ndarray | None) -> np.ndarray:
        """Scores of the label words, (n, rows, words), of choices (n, slots)."""

    @abstractmethod
    def words(self, chosen: np.ndarray) -> list[str]:
        """The candidates of one choice (slots,), as text."""

    def start(self, seed: int) -> VectorParams:
        """Zero logits, or integers drawn by the instance, whatever the seed."""
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
        """Prompts that occur several times are judged once."""
        chosen, back = np.unique(self.choices.read(points, seed), axis=0, return_inverse=True)
        return self.judge(chosen, split, rows)[back.reshape(-1)]

    def describe(self) -> dict[str, Any]:
        """And the choice at present, in words."""
        now = self.choices.read(self.params.x[None])[0]
        return super().describe() | {
            "reading": self.reading,
            "candidates": self.choices.candidates,
            "chosen": self.words(now),
        }
