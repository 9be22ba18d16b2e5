"""Target hits of one run: the first query and second at which each target was reached."""

from __future__ import annotations

import math
from collections.abc import Sequence

from zobench.harness.result import Hit


class Hits:
    """Two kinds are kept: of the "current" point, and of the "best" evaluated one.

    `left` is the target that the best evaluated point reaches next, -inf when all are.
    """

    def __init__(self, targets: Sequence[float], scored: str) -> None:
        """`targets` from the easiest to the hardest; `scored` is the kind that ends the run."""
        self.targets, self.scored = targets, scored
        self.rows: list[Hit] = []
        self.next_target = targets[0]
        self._next = {"current": 0, "best": 0}

    def reach(self, kind: str, score: float, queries: int, seconds: float) -> bool:
        """Record the further targets that `score` reaches; True: the scored kind is complete."""
        index = first = self._next[kind]
        while index < len(self.targets) and score <= self.targets[index]:
            self.rows.append((kind, index, self.targets[index], queries, seconds))
            index += 1
        self._next[kind] = index
        if kind == "best":
            self.next_target = self.targets[index] if index < len(self.targets) else -math.inf
        return first < index == len(self.targets) and kind == self.scored

    def scan(self, scores: Sequence[float], before: int, seconds: float) -> bool:
        """Call `reach` for the points of a call, before which `before` queries were made."""
        ended = False
        for number, score in enumerate(scores, 1):
            if score <= self.next_target:
                ended |= self.reach("best", score, before + number, seconds)
        return ended
