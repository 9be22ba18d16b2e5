"""LQR: control with a known optimum (section 5 of ARS, arXiv:1803.07055; Kalman, 1960)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zobench.core.directions import Probe
from zobench.core.problem import VectorProblem
from zobench.core.seeds import fold
from zobench.errors import BadInput, unknown
from zobench.objectives.rl._riccati import System, system
from zobench.registry import objectives


class Regulator(VectorProblem):
    """The cost f(K) of gains, rows of shape (k, m n).

    It is the mean over all starts, or over `episodes` random ones.
    """

    values: np.ndarray  # V of the points of the last call, shape (k, n, n)

    def __init__(self, system: System, episodes: int, fresh: bool) -> None:
        m, n = system.B.shape[1], len(system.A)
        self.system, self.episodes, self.fresh = system, episodes, fresh
        at_zero = float(np.trace(system.costs(np.zeros((1, m, n)))[0]))
        best = float(np.trace(system.P))
        self.scale = at_zero - best  # the unit of the gap: 1 at the start

        def f(points: np.ndarray) -> np.ndarray:
            self.values = system.costs(points.reshape(-1, m, n))
            return np.trace(self.values, axis1=1, axis2=2) / self.scale

        def gradient(x: np.ndarray) -> np.ndarray:
            return system.gradient(x.reshape(m, n)).ravel() / self.scale

        super().__init__(
            f,
            lambda rng: np.zeros(m * n),
            best / self.scale,
            shapes=((m, n),),
            gradient=gradient,
            noise=self.sampled if episodes else None,
            scored="current",
        )

    def sampled(self, gaps: np.ndarray, points: np.ndarray, seed: int) -> np.ndarray:
        """Return gaps (k,) from `episodes` random starts: the mean of x'Vx with x ~ N(0, I)."""
        costs = []
        for k, V in enumerate(self.values):
            rng = np.random.default_rng(fold(seed, k) if self.fresh else seed)
            starts = rng.standard_normal((self.episodes, len(V)))
            costs.append(np.einsum("ei,ij,ej->", starts, V, starts) / self.episodes)
        return np.array(costs) / self.scale - self.minimum

    def losses(self, probes: Sequence[Probe], seed: int) -> list[float]:
        """Return the losses, and count the steps of the system as samples."""
        losses = super().losses(probes, seed)
        self.samples += len(probes) * (max(1, self.episodes) * self.system.horizon - 1)
        return losses

    def describe(self) -> dict:
        """Return the facts of the problem and the system: costs and spectral radius."""
        system = self.system
        radius = float(np.abs(np.linalg.eigvals(system.A)).max())
        return super().describe() | {
            "best_cost": self.minimum * self.scale,
            "start_cost": (self.minimum + 1.0) * self.scale,
            "spectral_radius": radius,
        }


@objectives.register("lqr", version="1", paper="arXiv:1803.07055", in_worker=("scipy.linalg",))
def lqr(
    states: int = 3,
    inputs: int = 2,
    radius: float = 1.02,
    horizon: int = 100,
    instance: int = 1,
    episodes: int = 0,
    seeds: str = "common",
) -> Regulator:
    """A static gain u = K x for a linear system of quadratic cost, with a known optimum.

        f(K) = E_x0 [sum_{t < horizon} (x'Qx + u'Ru) + x_T' P x_T],    x0 ~ N(0, I), from K = 0

    P solves Riccati's equation, which makes its gain optimal for every horizon. The gap is
    f - f*, divided so that it is 1 at K = 0: the exact regret. Systems are generated from
    `instance`; `radius` is the spectral radius of A, which is unstable above 1. Instance 0 is that
    of ARS, section 5, with 3 states and 3 inputs. With `episodes` = 0 the losses are exact;
    otherwise they are means over `episodes` starts, "common" to the probes of a call or "fresh" for
    each probe. Samples are steps of the system.
    """
    for name, value in (("states", states), ("inputs", inputs), ("horizon", horizon)):
        if value < 1:
            raise BadInput(f"{name} is a number of at least 1, not {value}")
    if episodes < 0 or instance < 0 or not radius > 0.0:
        raise BadInput("episodes and instance are 0 or above, and radius is above 0")
    if seeds not in ("common", "fresh"):
        raise unknown("seeds", seeds, ("common", "fresh"))
    return Regulator(system(states, inputs, radius, horizon, instance), episodes, seeds == "fresh")
