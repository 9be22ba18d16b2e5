"""Where a black box is: a model of this machine, a function in a file; and where answers go."""

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
    """A model of this machine in the place of a service: texts in, log-probabilities out."""
    from zobench.objectives.prompt._frozen import Frozen

    frozen = Frozen(task, model, "cpu", "float32", 0)

    def ask(texts: Sequence[str]) -> np.ndarray:
        scores = frozen.told(frozen.encode([(text, 0) for text in texts]))
        return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)

    return ask


def from_file(place: str) -> tuple[Ask, str]:
    """The function of `path/to/file.py:name`, and a hash of the file. Raises BadInput."""
    path, _, name = place.rpartition(":")
    module, content = user_file.load(Path(path), f"the function {name!r}")
    if not callable(getattr(module, name, None)):
        raise BadInput(f"{path} has no function {name!r}")
    return getattr(module, name), content


def kept_in(cache: str, paid: bool) -> str:
    """The file for answers: `cache`, or for "auto" one of the user's own for what is paid."""
    if cache == "off" or (cache == "auto" and not paid):
        return ""
    if cache != "auto":
        return cache
    base = os.environ.get("XDG_CACHE_HOME", "") or Path.home() / ".cache"
    return str(Path(base) / "zobench" / "answers.sqlite")
