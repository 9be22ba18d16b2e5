"""Points that stand for choices: every slot takes one of the candidates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zobench.core.params import Group
from zobench.core.vector import VectorParams
from zobench.errors import BadInput, unknown

READINGS = ("largest", "sampled", "integer")


@dataclass(frozen=True)
class Choices:
    """`slots` choices among `candidates`, and how a point is read.

    "largest": a block of candidates logits a slot, the largest is chosen (the first of equals).
    "sampled": the largest after Gumbel noise of the call's seed was added, shared by its probes:
    a draw from softmax(logits), so that the expected loss is smooth in the logits. "integer": one
    coordinate a slot, rounded, the ends taken for what lies beyond.
    """

    slots: int
    candidates: int
    reading: str = "largest"

    def __post_init__(self) -> None:
        if self.reading not in READINGS:
            raise unknown("reading", self.reading, READINGS)
        if self.slots < 1 or self.candidates < 2:
            raise BadInput(f"a choice has 1 slot and 2 candidates at least, not {self.slots} and "
                           f"{self.candidates}")  # fmt: skip

    def params(self, first: np.ndarray) -> VectorParams:
        """A start: zero logits (all candidates alike), or the integers `first`.

        A group is a slot; its role "choice" says that only the largest of a block counts.
        """
        if self.reading == "integer":
            params = VectorParams(first.astype(float), [(1,)] * self.slots)
        else:
            size = self.slots * self.candidates
            params = VectorParams(np.zeros(size), [(self.candidates,)] * self.slots)
        role = "layer" if self.reading == "integer" else "choice"
        params.groups = tuple(
            Group(f"slot{i}", group.blocks, role) for i, group in enumerate(params.groups)
        )
        return params

    def read(self, points: np.ndarray, seed: int | None = None) -> np.ndarray:
        """Points (n, d) -> indices of candidates (n, slots). No seed: the most likely choice."""
        if self.reading == "integer":
            return np.clip(np.rint(points), 0, self.candidates - 1).astype(np.int64)
        logits = points.reshape(len(points), self.slots, self.candidates)
        if self.reading == "sampled" and seed is not None:
            logits = logits + np.random.default_rng(seed).gumbel(size=logits.shape[1:])
        return logits.argmax(2)
