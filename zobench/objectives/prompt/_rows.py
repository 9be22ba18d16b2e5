"""The rows of a few-shot task: k per label word, drawn by the instance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from zobench.core.seeds import derive
from zobench.errors import BadInput
from zobench.objectives.llm.tasks import LabelledText, Task


def rows_of(task: str, data: str = "") -> Task:
    """Return a generated task, or sst2 or rte from the folder `data` (empty: from the hub)."""
    from zobench.objectives.llm import glue, tasks

    return tasks.generated(task) if task in tasks.GENERATED else glue.glue(task, data or None)


def few_shot(task: Task, shots: int, dev_shots: int, instance: int) -> Task:
    """Return the task with `shots` rows per label word in train and `dev_shots` in dev (0: all).

    Raises BadInput for negative numbers, or if a label word has too few rows.
    """
    rng = np.random.default_rng(derive("few-shot", task.name, instance))
    train = _few(task, "train", task.train, shots, rng)
    return replace(task, train=train, dev=_few(task, "dev", task.dev, dev_shots, rng))


def _few(
    task: Task, split: str, rows: Sequence[LabelledText], shots: int, rng: np.random.Generator
) -> list[LabelledText]:
    if shots < 0:
        raise BadInput(f"shots are a number of rows per label word, or 0 for all, not {shots}")
    order, few = rng.permutation(len(rows)), []
    if shots == 0:
        return list(rows)
    for label, word in enumerate(task.label_words):
        of_label = [rows[i] for i in order if rows[i][1] == label][:shots]
        if len(of_label) < shots:
            raise BadInput(f"task {task.name!r} has {len(of_label)} {split} rows of the label word "
                           f"{word!r}; {shots} shots need more")  # fmt: skip
        few += of_label
    return few
