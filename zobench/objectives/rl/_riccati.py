"""The linear-quadratic regulator: cost of a gain, its gradient, and the optimum in closed form."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class System:
    """x' = A x + B u, cost x'Qx + u'Ru a step. A (n, n), B (n, m), Q (n, n), R (m, m)."""

    A: np.ndarray
    B: np.ndarray
    Q: np.ndarray
    R: np.ndarray
    horizon: int
    P: np.ndarray = field(init=False)  # the solution of Riccati's equation: x'Px is the least cost
    best: np.ndarray = field(init=False)  # the gain (m, n) that has it

    def __post_init__(self) -> None:
        from scipy.linalg import solve_discrete_are

        # With P as the cost of the last state, the gain that is best over infinite time is best
        # over every finite time too, and from every start.
        P = solve_discrete_are(self.A, self.B, self.Q, self.R)
        gain = -np.linalg.solve(self.R + self.B.T @ P @ self.B, self.B.T @ P @ self.A)
        object.__setattr__(self, "P", P)
        object.__setattr__(self, "best", gain)

    def costs(self, gains: np.ndarray) -> np.ndarray:
        """V of shape (k, n, n) for gains (k, m, n): x'Vx is the cost of u = K x from x.

        V = sum_{t < T} F^t' M F^t + F^T' P F^T, F = A + B K, M = Q + K'RK, by repeated squaring:
        the sums over s and over t steps make that over s + t. An unstable gain may overflow.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            return self._costs(gains)

    def _costs(self, gains: np.ndarray) -> np.ndarray:
        turned = gains.transpose(0, 2, 1)
        power = self.A + self.B @ gains
        part = self.Q + turned @ self.R @ gains  # the sum over 1, 2, 4, ... steps
        total = np.broadcast_to(self.P, part.shape)
        left = self.horizon
        while left:
            if left & 1:
                total = part + power.transpose(0, 2, 1) @ total @ power
            left >>= 1
            if left:
                part = part + power.transpose(0, 2, 1) @ part @ power
                power = power @ power
        return total

    def gradient(self, gain: np.ndarray) -> np.ndarray:
        """d tr(V) / dK for a gain (m, n): 2 sum_t (R K + B'V_{t+1} F) S_t, S_t = F^t F^t'."""
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
    """Instance 0: the three coupled, slightly unstable states of Dean et al. (arXiv:1710.01688).

    Others: A and B Gaussian, A scaled to the spectral radius given, B to unit columns on average;
    Q = 0.1 I and R = I, so that control is dear. Raises numpy.linalg.LinAlgError where Riccati's
    equation has no solution, which has probability 0.
    """
    if instance == 0:
        A = 1.01 * np.eye(3) + 0.01 * (np.eye(3, k=1) + np.eye(3, k=-1))
        return System(A, np.eye(3), 1e-3 * np.eye(3), np.eye(3), horizon)
    rng = np.random.default_rng([instance, states, inputs])
    A = rng.standard_normal((states, states))
    A *= radius / np.abs(np.linalg.eigvals(A)).max()
    B = rng.standard_normal((states, inputs)) / np.sqrt(states)
    return System(A, B, 0.1 * np.eye(states), np.eye(inputs), horizon)
