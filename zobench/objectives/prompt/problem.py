"""Prompt problems: a point stands for a prompt, a query is its loss on few-shot rows."""

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
    """The settings that all prompt problems share."""

    loss: str  # cross-entropy, hinge or accuracy
    shots: int  # train rows per label word, 0 for all
    dev_shots: int  # dev rows per label word, 0 for all
    batch: int  # rows per query, 0 for all
    instance: int  # determines the rows and the start


class PromptProblem(VectorProblem):
    """Few-shot classification by a frozen model; a subclass gives the scores of a point.

    A query is the mean loss over the whole few-shot train split (black-box tuning,
    arXiv:2201.03514), or over `batch` of its rows. The score is the same loss over the dev split,
    together with the accuracy. A run ends with the test split, at the last prompt and, as in the
    paper, at the prompt with the best dev accuracy (the first of equals). Samples are judged texts.
    """

    score_name: str = "loss"
    scored: str = "current"
    stochastic: bool
    task: Task
    loss: str
    instance: int
    batch: int

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
        """Return scores of the label words (n, rows, words) for points (n, d).

        Args:
            points: shape (n, d).
            split: "train", "dev" or "test".
            rows: the rows of the split, as indices; None for all.
            seed: the seed of the call, for points that are read at random; None for a score.
        """

    def labels(self, split: str) -> np.ndarray:
        """Return the index of the label word of each row of a split, int64."""
        return np.array([label for _, label in getattr(self.task, split)])

    def losses(self, probes: Sequence[Probe], seed: int) -> list[float]:
        """Return the loss of each probe on the train rows; `seed` draws the minibatch."""
        self._call = seed
        values = self.f(self.params.rows(probes)).tolist()
        self.samples += len(probes) * (self.batch or len(self.task.train))
        self.forwards += len(probes)
        return values

    def _losses(self, points: np.ndarray) -> np.ndarray:
        rows, labels = None, self.labels("train")
        if self.batch:
            order = np.random.default_rng(self._call).permutation(len(labels))
            rows = np.sort(order[: self.batch])
            labels = labels[rows]
        return mean_losses(self.loss, self.answers(points, "train", rows, self._call), labels)

    def judged(self, split: str, x: np.ndarray | None = None) -> tuple[float, float]:
        """Return the mean loss and accuracy of the point x (None: the current one) on a split."""
        x = self.params.x if x is None else x
        scores, labels = self.answers(x[None], split), self.labels(split)
        return float(mean_losses(self.loss, scores, labels)[0]), float(
            accuracies(scores, labels)[0]
        )

    def score(self) -> dict[str, float]:
        """Return the mean loss and accuracy of the current point over the dev split."""
        loss, accuracy = self.judged("dev")
        if accuracy > self._best_accuracy:
            self._best_accuracy, self._best_x = accuracy, self.params.x.copy()
        return {"loss": loss, "accuracy": accuracy}

    def finish(self) -> dict[str, float]:
        """Return the loss and accuracy of the last and of the best prompt over the test split."""
        last, best = self.params.x, self._best_x
        of_last = self.judged("test")
        is_last = best is None or np.array_equal(best, last)
        of_best = of_last if is_last else self.judged("test", best)
        names = "test_loss", "test_accuracy", "best_dev_test_loss", "best_dev_test_accuracy"
        return dict(zip(names, of_last + of_best))

    def reset_meters(self) -> None:
        """Reset the meters and forget the prompt with the best dev accuracy."""
        super().reset_meters()
        self._best_accuracy, self._best_x = -1.0, None

    def describe(self) -> dict[str, Any]:
        """Return the facts of the problem and its task."""
        task = self.task
        sizes = {"train": len(task.train), "dev": len(task.dev), "test": len(task.test)}
        return super().describe() | {"task": task.name, "loss": self.loss, "rows": sizes}
