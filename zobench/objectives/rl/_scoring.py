"""Scoring a policy: the seeds of its episodes, and what is known of the policy scored last."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from zobench.core.seeds import derive
from zobench.objectives.rl._whitening import Moments

Scores = dict[str, float]


def evaluation_seeds(kind: str, count: int) -> tuple[int, ...]:
    """The first `count` seeds of the episodes that score, or of those that test: odd numbers."""
    return tuple(derive("rl", kind, j) >> 33 << 1 | 1 for j in range(count))


class LastScore:
    """The scores of the policy that was scored last: one that has not changed costs nothing.

    Only for episodes that repeat: then equal weights (d,) and the same moments score the same.
    """

    def __init__(self) -> None:
        self.x: np.ndarray | None = None

    def __call__(self, x: np.ndarray, white: Moments | None, make: Callable[[], Scores]) -> Scores:
        """The scores of this policy: known, or made now."""
        if self.x is None or white is not self.white or not np.array_equal(x, self.x):
            self.scores = make()
            self.x, self.white = x.copy(), white
        return dict(self.scores)
