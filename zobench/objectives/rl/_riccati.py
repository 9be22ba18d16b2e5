"""The linear-quadratic regulator: the cost of a gain, its gradient, and the optimum."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class System:
    """The system x' = A x + B u with the cost x'Qx + u'Ru per step.

    Shapes: A (n, n), B (n, m), Q (n, n), R (m, m).
    """

    A: np.ndarray
    B: np.ndarray
    Q: np.ndarray
    R: np.ndarray
    horizon: int
    P: np.ndarray = field(init=False)  # the solution of Riccati's equation: x'Px is the least cost
    best: np.ndarray = field(init=False)  # the gain (m, n) with the least cost

    def __post_init__(self) -> None:
        from scipy.linalg import solve_discrete_are

        # With P as the cost of the last state, the gain that is optimal over infinite time is also
        # optimal over every finite time, and from every start.
        P = solve_discrete_are(self.A, self.B, self.Q, self.R)
        gain = -np.linalg.solve(self.R + self.B.T @ P @ self.B, self.B.T @ P @ self.A)
        object.__setattr__(self, "P", P)
        object.__setattr__(self, "best", gain)

    def costs(self, gains: np.ndarray) -> np.ndarray:
        """Return V of shape (k, n, n) for gains (k, m, n): x'Vx is the cost of u = K x from x.

        V = sum_{t < T} F^t' M F^t + F^T' P F^T with F = A + B K and M = Q + K'RK, by repeated
        squaring: the sums over s and over t steps give the sum over s + t. Unstable gains may
        overflow.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            return self._costs(gains)

    def _costs(self, gains: np.ndarray) -> np.ndarray:
        turned = gains.transpose(0, 2, 1)
        power = self.A + self.B @ gains
        part = self.Q + turned @ self.R @ gains  # the sum over 1, 2, 4, ... steps
        total = np.broadcast_to(self.P, part.shape)
        steps = self.horizon
        while steps:
            if steps & 1:
                total = part + power.transpose(0, 2, 1) @ total @ power
            steps >>= 1
            if steps:
                part = part + power.transpose(0, 2, 1) @ part @ power
                power = power @ power
        return total

    def gradient(self, gain: np.ndarray) -> np.ndarray:
        """Return the gradient of tr(V) with respect to a gain K of shape (m, n).

        It is 2 sum_t (R K + B'V_{t+1} F) S_t with S_t = F^t F^t'.
        """
        F = self.A + self.B @ gain
        M = self.Q + gain.T @ self.R @ gain
        after = [self.P]
        for _ in range(self.horizon - 1):
            after.append(M + F.T @ after[-1] @ F)
        spread, total = np.eye(len(F)), np.zeros_like(gain)
        for V in reversed(after):
            total += 2.0 * (self.R @ gain + self.B.T @ V @ F) @ spread
            spread = F @ spread @ F.T
        return total


def system(states: int, inputs: int, radius: float, horizon: int, instance: int) -> System:
    """Generate the system of an instance.

    Instance 0 has the three coupled, slightly unstable states of Dean et al. (arXiv:1710.01688).
    Others have Gaussian A and B, A scaled to the spectral radius `radius`, and B to unit columns on
    average; Q = 0.1 I and R = I, so that control is expensive. Raises numpy.linalg.LinAlgError if
    Riccati's equation has no solution, which has probability 0.
    """
    if instance == 0:
        A = 1.01 * np.eye(3) + 0.01 * (np.eye(3, k=1) + np.eye(3, k=-1))
        return System(A, np.eye(3), 1e-3 * np.eye(3), np.eye(3), horizon)
    rng = np.random.default_rng([instance, states, inputs])
    A = rng.standard_normal((states, states))
    A *= radius / np.abs(np.linalg.eigvals(A)).max()
    B = rng.standard_normal((states, inputs)) / np.sqrt(states)
    return System(A, B, 0.1 * np.eye(states), np.eye(inputs), horizon)
