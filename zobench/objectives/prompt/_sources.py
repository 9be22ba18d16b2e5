"""Sources of a black box: a model of this machine or a function in a file; the answers' file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zobench import user_file
from zobench.errors import BadInput
from zobench.objectives.llm.tasks import Task
from zobench.objectives.prompt.service import Ask


def local(model: str, task: Task) -> Ask:
    """Return a model of this machine as a service: a function from texts to log-probabilities."""
    from zobench.objectives.prompt._frozen import Frozen

    frozen = Frozen(task, model, "cpu", "float32", 0)

    def ask(texts: Sequence[str]) -> np.ndarray:
        scores = frozen.scores_without_prompt(frozen.encode([(text, 0) for text in texts]))
        return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)

    return ask


def from_file(element: str) -> tuple[Ask, str]:
    """Return the function of `path/to/file.py:name` and a hash of the file. Raises BadInput."""
    path, _, name = element.rpartition(":")
    module, content = user_file.load(Path(path), f"the function {name!r}")
    if not callable(getattr(module, name, None)):
        raise BadInput(f"{path} has no function {name!r}")
    return getattr(module, name), content


def cache_file(cache: str, paid: bool) -> str:
    """Return the path of the file for answers; "" for none.

    "auto" is a file in the user's cache folder for a paid service, and none otherwise.
    """
    if cache == "off" or (cache == "auto" and not paid):
        return ""
    if cache != "auto":
        return cache
    base = os.environ.get("XDG_CACHE_HOME", "") or Path.home() / ".cache"
    return str(Path(base) / "zobench" / "answers.sqlite")
