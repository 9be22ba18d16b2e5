"""A prompt problem: points become prompts, a query is the loss of one prompt on few-shot rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np

from zobench.core.directions import Probe
from zobench.core.problem import VectorProblem
from zobench.errors import BadInput, unknown
from zobench.objectives.llm.tasks import Task
from zobench.objectives.prompt._losses import LOSSES, accuracies, mean_losses
from zobench.objectives.prompt._rows import few_shot


class FewShot(TypedDict, total=False):
    """Settings of every prompt problem, as PromptProblem takes them."""

    loss: str  # cross-entropy, hinge or accuracy
    shots: int  # train rows a label word, 0 for all
    dev_shots: int  # dev rows a label word, 0 for all
    batch: int  # rows a query, 0 for all
    instance: int  # decides the rows, and where runs start


class PromptProblem(VectorProblem):
    """Few-shot classification by a frozen model; a subclass says which scores a point gets.

    A query is the mean loss over the whole few-shot train split (black-box tuning,
    arXiv:2201.03514), or over `batch` of its rows. The score is the same loss over the dev split,
    with accuracy; a run ends with the test split, at the last prompt and, as in the paper, at the
    one that had the best dev accuracy (the first of equals). Samples are texts that were judged.
    """

    score_name, scored = "loss", "current"

    def __init__(
        self,
        task: Task,
        loss: str = "cross-entropy",
        shots: int = 16,
        dev_shots: int = 0,
        batch: int = 0,
        instance: int = 1,
    ) -> None:
        """Raises BadInput for an unknown loss, or more shots than rows."""
        if loss not in LOSSES:
            raise unknown("loss", loss, LOSSES)
        if batch < 0:
            raise BadInput(f"batch is a number of rows, or 0 for all, not {batch}")
        self.task = few_shot(task, shots, dev_shots, instance)
        self.loss, self.instance = loss, instance
        self.batch = batch if batch < len(self.task.train) else 0
        super().__init__(self._losses, lambda rng: np.zeros(1), scored="current")
        self.stochastic = self.batch > 0
        self._call = 0

    @abstractmethod
    def answers(
        self,
        points: np.ndarray,
        split: str,
        rows: np.ndarray | None = None,
        seed: int | None = None,
    ) -> np.ndarray:
        """Scores of the label words, (n, rows, words), for points (n, d).

        split: "train", "dev" or "test"; rows: which of its rows (None: all); seed: of the call, for
        points whose meaning is drawn (None: no query, but a score, without noise).
        """

    def labels(self, split: str) -> np.ndarray:
        """The index of the label word of each row of a split, int64."""
        return np.array([label for _, label in getattr(self.task, split)])

    def losses(self, probes: Sequence[Probe], seed: int) -> list[float]:
        self._call = seed
        values = self.f(self.params.rows(probes)).tolist()
        self.samples += len(probes) * (self.batch or len(self.task.train))
        self.forwards += len(probes)
        return values

    def _losses(self, points: np.ndarray) -> np.ndarray:
        rows, labels = None, self.labels("train")
        if self.batch:
            drawn = np.random.default_rng(self._call).permutation(len(labels))
            rows = np.sort(drawn[: self.batch])
            labels = labels[rows]
        return mean_losses(self.loss, self.answers(points, "train", rows, self._call), labels)

    def judged(self, split: str, x: np.ndarray | None = None) -> tuple[float, float]:
        """Mean loss and accuracy of the point x (None: the current one) over a whole split."""
        x = self.params.x if x is None else x
        scores, labels = self.answers(x[None], split), self.labels(split)
        return float(mean_losses(self.loss, scores, labels)[0]), float(
            accuracies(scores, labels)[0]
        )

    def score(self) -> dict[str, float]:
        """Mean loss and accuracy over the dev split, at the point as it stands."""
        loss, accuracy = self.judged("dev")
        if accuracy > self._best_accuracy:
            self._best_accuracy, self._best_x = accuracy, self.params.x.copy()
        return {"loss": loss, "accuracy": accuracy}

    def finish(self) -> dict[str, float]:
        """Loss and accuracy over the test split, which nothing else reads."""
        last, best = self.params.x, self._best_x
        told = self.judged("test")
        chosen = told if best is None or np.array_equal(best, last) else self.judged("test", best)
        names = "test_loss", "test_accuracy", "best_dev_test_loss", "best_dev_test_accuracy"
        return dict(zip(names, told + chosen))

    def reset_meters(self) -> None:
        super().reset_meters()
        self._best_accuracy, self._best_x = -1.0, None

    def describe(self) -> dict[str, Any]:
        task = self.task
        sizes = {"train": len(task.train), "dev": len(task.dev), "test": len(task.test)}
        return super().describe() | {"task": task.name, "loss": self.loss, "rows": sizes}
