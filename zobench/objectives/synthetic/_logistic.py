"""The function of `logistic`: seeded data, the regularised loss, and its minimum in float64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from zobench.core.directions import Probe
from zobench.core.problem import Losses
from zobench.core.seeds import derive
from zobench.objectives.synthetic._function import ChunkedFunction
from zobench.objectives.synthetic._tensors import TensorProblem

MARGIN = 3.0  # standard deviation of the teacher's logits: about 15 % of the labels differ from it


@dataclass(frozen=True)
class Data:
    """Examples times their labels, and the minimiser of the loss on them."""

    signed: np.ndarray  # b_i a_i, shape (examples, dim), float32 or float64
    best: np.ndarray  # w*, shape (dim,), float64
    minimum: float


class Logistic(ChunkedFunction):
    """The loss mean_i log(1 + exp(-b_i a_i'w)) + |w|^2 / (2 examples), from w = 0, f = log 2."""

    def __init__(self, data: Data, device: torch.device) -> None:
        self.size = data.signed.shape[1]
        self.examples = len(data.signed)
        self.minimum, self.span = data.minimum, float(np.log(2.0)) - data.minimum
        self.signed = torch.from_numpy(data.signed).to(device)
        self.best = data.best
        self.rows: torch.Tensor | None = None  # the minibatch; None: all examples

    def value(self, y: torch.Tensor) -> float:
        signed = self._batch()
        margins = (signed @ y.to(signed.dtype)).double()
        loss = torch.nn.functional.softplus(-margins).mean()
        return float(loss + self._square(y) / (2.0 * self.examples))

    def slope(self, y: torch.Tensor) -> torch.Tensor:
        signed = self._batch()
        w = y.to(signed.dtype)
        pull = torch.sigmoid(-(signed @ w).double()) / len(signed)
        return (w / self.examples - pull.to(signed.dtype) @ signed).to(y.dtype)

    def fill_start(self, y: torch.Tensor, seed: int) -> None:
        y.zero_()

    def fill_optimum(self, y: torch.Tensor) -> None:
        y.copy_(torch.from_numpy(self.best))

    def _batch(self) -> torch.Tensor:
        return self.signed if self.rows is None else self.signed[self.rows]

    def _square(self, y: torch.Tensor) -> torch.Tensor:
        parts = (y[start:stop].double() for start, stop in self.chunks())
        return torch.stack([part.dot(part) for part in parts]).sum()


class LogisticProblem(TensorProblem):
    """Losses on a minibatch of the call's seed, shared by its probes; scores on all examples."""

    function: Logistic
    batch = 0  # number of examples of a minibatch; 0: all

    def use_batches(self, batch: int) -> None:
        """Take the mean over `batch` random examples for each loss."""
        self.batch = batch
        self.stochastic = self.has_batches = True
        self.scored = "current"

    def losses(self, probes: Sequence[Probe], seed: int) -> Losses:
        try:
            self._pick(seed)
            losses = super().losses(probes, seed)
        finally:
            self.function.rows = None
        self.samples += len(probes) * ((self.batch or self.function.examples) - 1)
        if self.batch:
            self.probe_scores = None  # the value of a minibatch is not a score
        return losses

    def gradient(self, seed: int) -> tuple[float, Sequence[torch.Tensor]]:
        try:
            self._pick(seed)
            return super().gradient(seed)
        finally:
            self.function.rows = None

    def _pick(self, seed: int) -> None:
        if self.batch:
            rng = np.random.default_rng(derive("minibatch", seed))
            rows = rng.choice(self.function.examples, self.batch, replace=False)
            self.function.rows = torch.from_numpy(rows).to(self.layout.device)


@lru_cache(maxsize=2)
def data(dim: int, examples: int, exponent: float, instance: int, dtype: str) -> Data:
    """Make features a ~ N(0, diag(j^-exponent)) and labels of a noisy linear teacher."""
    rng = np.random.default_rng(derive("logistic data", instance))
    kind = np.float64 if dtype == "float64" else np.float32
    scales = np.arange(1.0, dim + 1.0) ** (-0.5 * exponent)
    features = np.empty((examples, dim), kind)
    for row in features:
        row[:] = rng.standard_normal(dim) * scales
    teacher = rng.standard_normal(dim)
    logits = features.astype(np.float64, copy=False) @ teacher
    logits *= MARGIN / max(float(logits.std()), 1e-300)
    features *= np.where(rng.random(examples) < 1.0 / (1.0 + np.exp(-logits)), 1, -1)[:, None]
    minimum, best = _minimise(features)
    return Data(features, best, minimum)


def _minimise(signed: np.ndarray) -> tuple[float, np.ndarray]:
    """Return (f*, w*), by L-BFGS in float64.

    w* lies in the span of the examples. If there are fewer examples than dimensions, the search is
    in orthonormal coordinates of that span.
    """
    from scipy.optimize import minimize

    n, dim = signed.shape
    if dim <= n:
        rows, lift = signed.astype(np.float64), np.eye(dim)
    else:
        gram = np.zeros((n, n))
        for start in range(0, dim, 1 << 14):
            piece = signed[:, start : start + (1 << 14)].astype(np.float64)
            gram += piece @ piece.T
        squares, u = np.linalg.eigh(gram)
        keep = squares > squares[-1] * 1e-14
        root = np.sqrt(squares[keep])
        rows, lift = u[:, keep] * root, u[:, keep] / root

    def loss(z: np.ndarray) -> tuple[float, np.ndarray]:
        margins = rows @ z
        pull = 1.0 / (1.0 + np.exp(np.clip(margins, -700.0, 700.0)))
        value = np.logaddexp(0.0, -margins).mean() + z @ z / (2.0 * n)
        return value, z / n - pull @ rows / n

    limits = {"maxiter": 20000, "maxfun": 40000, "ftol": 1e-16, "gtol": 1e-11, "maxcor": 30}
    result = minimize(loss, np.zeros(rows.shape[1]), jac=True, method="L-BFGS-B", options=limits)
    best = result.x if dim <= n else (lift @ result.x) @ signed.astype(np.float64, copy=False)
    return float(result.fun), best
