"""The function that `zobench explain` measures: the mean loss over a fixed list of minibatches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from zobench.core.directions import Dense, Direction, Noise, Probe
from zobench.core.params import Params
from zobench.core.problem import Problem
from zobench.core.seeds import derive
from zobench.errors import Unsuitable

# length of a difference, per square root of the coordinates moved: of float64, of tensors, and of
# noisy losses without gradients, such as returns, which are measured as smoothed at this length
FINE, COARSE, SMOOTH = 1e-4, 1e-3, 0.1


class MeanLoss:
    """The mean of a problem's losses over minibatches that stay the same.

    Args:
        problem: a problem that has been started.
        batches: the number of minibatches; 1 is enough if losses do not depend on one.
        seed: of the minibatches.
        step: the length of a difference, per square root of the coordinates moved; 0: as suits the
            problem.

    Attributes:
        seeds: the seeds of the minibatches.
        step: the length of a difference, per square root of the coordinates moved.
        has_gradients: True if the problem computes gradients.
        evaluations: losses and gradients so far, in forward-equivalents of one minibatch.
    """

    def __init__(self, problem: Problem, batches: int, seed: int, step: float = 0.0) -> None:
        self.problem: Problem = problem
        self.params: Params = problem.params
        count = batches if problem.stochastic else 1
        self.seeds: list[int] = [derive("explain", seed, k) for k in range(count)]
        self.evaluations: float = 0.0
        try:
            self.gradient(self.seeds[0])
            self.has_gradients = True
        except Unsuitable:
            self.has_gradients = False
        usual = COARSE if hasattr(self.params.ops, "tensor") else FINE
        if problem.stochastic and not self.has_gradients:
            usual = SMOOTH
        self.step: float = step or usual

    def losses(self, probes: Sequence[Probe]) -> np.ndarray:
        """Return the loss of each probe on each minibatch, shape (minibatches, probes)."""
        self.evaluations += len(self.seeds) * len(probes)
        return np.array([[float(v) for v in self.problem.losses(probes, s)] for s in self.seeds])

    def here(self) -> float:
        """Return the mean loss at the point."""
        return float(self.losses([(0.0, Noise(0))]).mean())

    def gradient(self, seed: int) -> np.ndarray:
        """Return the gradient on the minibatch of a seed, shape (d,)."""
        self.evaluations += 3
        _, parts = self.problem.gradient(seed)
        return np.concatenate([_array(part) for part in parts])

    def gradients(self) -> Iterator[np.ndarray]:
        """Yield the gradient on each minibatch, shape (d,)."""
        return (self.gradient(seed) for seed in self.seeds)

    def mean_gradient(self) -> np.ndarray:
        """Return the gradient of the mean loss, shape (d,)."""
        total = np.zeros(self.params.size)
        for gradient in self.gradients():
            total += gradient
        return total / len(self.seeds)

    def curvature(self, direction: Direction, length: float) -> np.ndarray:
        """Return H d by a central difference of gradients.

        Args:
            direction: the direction d.
            length: the scale of d at both ends of the difference.

        Returns:
            The product with the Hessian of the mean loss, shape (d,).
        """
        ends = []
        for scale in (length, -length):
            with self.params.probed(scale, direction):
                ends.append(self.mean_gradient())
        return (ends[0] - ends[1]) / (2 * length)

    def product(self, vector: np.ndarray) -> np.ndarray:
        """Return H v for a vector, shape (d,)."""
        norm = float(np.linalg.norm(vector))
        if not norm:
            return np.zeros_like(vector)
        return self.curvature(Dense(vector), self.length(vector) / norm)

    def length(self, vector: np.ndarray) -> float:
        """Return how far to go along a vector, so that a difference is above rounding."""
        return self.step * float(np.count_nonzero(vector)) ** 0.5


def _array(part: object) -> np.ndarray:
    """Return a gradient as a flat float64 array, of an array or of a tensor on any device."""
    to_cpu: Callable[[], object] | None = getattr(part, "cpu", None)
    return np.asarray(to_cpu() if to_cpu else part, np.float64).reshape(-1)
