"""Points that represent choices: every slot takes one of the candidates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zobench.core.params import Group
from zobench.core.vector import VectorParams
from zobench.errors import BadInput, unknown

READINGS = ("largest", "sampled", "integer")


@dataclass(frozen=True)
class Choices:
    """`slots` choices among `candidates`, and the reading of a point.

    "largest": each slot has a block of one logit per candidate, and the largest is chosen (the
    first of equals). "sampled": Gumbel noise from the call's seed, shared by its probes, is added
    first: a draw from softmax(logits), so that the expected loss is smooth in the logits.
    "integer": each slot has one coordinate, which is rounded and clipped.
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
        """Return the start: zero logits (all candidates equal), or the integers `first`.

        A group is a slot; its role "choice" means that only the largest of a block matters.
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
        """Read points (n, d) as indices of candidates (n, slots).

        Without a seed the reading is the most likely choice.
        """
        if self.reading == "integer":
            return np.clip(np.rint(points), 0, self.candidates - 1).astype(np.int64)
        logits = points.reshape(len(points), self.slots, self.candidates)
        if self.reading == "sampled" and seed is not None:
            logits = logits + np.random.default_rng(seed).gumbel(size=logits.shape[1:])
        return logits.argmax(2)
