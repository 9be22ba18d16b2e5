"""Where the slope and the curvature of a loss lie: energy, noise and trace of each group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from zobench.core.directions import Noise, Restricted
from zobench.core.params import Group
from zobench.core.seeds import derive
from zobench.explain.mean_loss import MeanLoss

Tick = Callable[[], None]  # is called after each part of the work
LARGEST = 5_000_000  # coordinates up to which the largest curvature is computed
NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A number that was estimated from independent samples.

    Attributes:
        value: the mean.
        error: its standard error; 0 if it is exact, NaN if it is unknown.
    """

    value: float
    error: float = 0.0

    @classmethod
    def of(cls, samples: np.ndarray) -> Estimate:
        """Return the mean of independent samples, shape (n,), and its standard error."""
        count = len(samples)
        spread = float(np.std(samples, ddof=1)) if count > 1 else NAN
        return cls(float(np.mean(samples)), spread / count**0.5)


@dataclass(frozen=True)
class GroupFacts:
    """One group of blocks, or the whole point.

    Attributes:
        name: of the group; "total" for the whole point.
        size: coordinates.
        energy: |g_b|^2, g the gradient of the mean loss, without the noise of minibatches.
        noise: trace of the covariance of the gradient on one minibatch.
        trace: trace of the Hessian's block.
    """

    name: str
    size: int
    energy: Estimate
    noise: Estimate
    trace: Estimate


@dataclass(frozen=True)
class Landscape:
    """What is known of the loss at a point.

    Attributes:
        groups: one entry per group, in the order of the point.
        total: the whole point.
        largest: the largest eigenvalue of the Hessian; NaN if it was not computed.
        gradient: of the mean loss, shape (d,); None if the problem has none.
    """

    groups: list[GroupFacts]
    total: GroupFacts
    largest: float
    gradient: np.ndarray | None

    @property
    def intrinsic_dimension(self) -> float:
        """Trace of the Hessian over its largest eigenvalue."""
        return self.total.trace.value / self.largest


def landscape(loss: MeanLoss, draws: int, seed: int, tick: Tick) -> Landscape:
    """Measure energy, noise and curvature, per group and in total.

    With gradients: their moments over minibatches; Hutchinson's trace from `draws` products H z
    with Rademacher z; the largest eigenvalue by Lanczos (SciPy). Without gradients: slopes and
    second differences of the loss along `draws` Gaussian directions inside each group, whose
    squared slope has the mean |g_b|^2 and whose second difference has the mean tr H_b.

    Args:
        loss: the mean loss.
        draws: directions, of the point or of each group.
        seed: of the directions.
        tick: is called after each direction.
    """
    if not loss.has_gradients:
        return _from_losses(loss, draws, seed, tick)
    groups, params = list(loss.params.groups), loss.params
    spans = [_coordinates(loss, group) for group in groups]
    mean, energies, noises = _moments(loss, [*spans, slice(None)])
    traces = np.zeros((draws, len(groups)))
    for k in range(draws):
        z = Noise(derive("explain trace", seed, k), "rademacher")
        vector = np.concatenate([np.asarray(params.dense(z, block)) for block in params.blocks])
        product = loss.curvature(z, loss.step)
        traces[k] = [float(vector[span] @ product[span]) for span in spans]
        tick()
    whole = Estimate.of(traces.sum(1))
    total = GroupFacts("total", params.size, energies[-1], noises[-1], whole)
    facts = [
        GroupFacts(g.name, _size(loss, g), energies[k], noises[k], Estimate.of(traces[:, k]))
        for k, g in enumerate(groups)
    ]
    return Landscape(facts, total, _largest(loss, seed), mean)


def _coordinates(loss: MeanLoss, group: Group) -> np.ndarray:
    blocks = [loss.params.blocks[k] for k in sorted(group.blocks)]
    return np.concatenate([np.arange(b.start, b.start + b.size) for b in blocks])


def _size(loss: MeanLoss, group: Group) -> int:
    return sum(loss.params.blocks[k].size for k in group.blocks)


def _moments(loss: MeanLoss, spans: list) -> tuple[np.ndarray, list[Estimate], list[Estimate]]:
    """Return the mean gradient, and energy and noise of each set of coordinates.

    Two passes over the minibatches, so that two gradients exist at a time: the second needs the
    products of each gradient with their sum.
    """
    count, total = len(loss.seeds), loss.mean_gradient() * len(loss.seeds)
    own, with_sum = np.zeros((2, count, len(spans)))
    for k, gradient in enumerate(loss.gradients()):
        own[k] = [gradient[s] @ gradient[s] for s in spans]
        with_sum[k] = [gradient[s] @ total[s] for s in spans]
    square = np.array([total[s] @ total[s] for s in spans])
    both = [_unbiased(own[:, j], with_sum[:, j], square[j]) for j in range(len(spans))]
    return total / count, [energy for energy, _ in both], [noise for _, noise in both]


def _unbiased(own: np.ndarray, with_sum: np.ndarray, square: float) -> tuple[Estimate, Estimate]:
    """Return estimates of |g|^2 and of the trace of the covariance, with jackknife errors.

    Args:
        own: |g_m|^2 of each minibatch, shape (n,).
        with_sum: the product of g_m with the sum over minibatches, shape (n,).
        square: the square of the sum.
    """
    count = len(own)
    if count == 1:
        return Estimate(square), Estimate(0.0)

    def both(n: int, squares: Any, sums: Any) -> tuple[Any, Any]:
        energy = (sums - squares) / (n * (n - 1))
        return energy, squares / n - energy

    energy, noise = both(count, own.sum(), square)
    if count < 3:
        return Estimate(float(energy), NAN), Estimate(float(noise), NAN)
    without = both(count - 1, own.sum() - own, square - 2 * with_sum + own)
    errors = [((count - 1) * np.var(values)) ** 0.5 for values in without]
    return Estimate(float(energy), float(errors[0])), Estimate(float(noise), float(errors[1]))


def _largest(loss: MeanLoss, seed: int) -> float:
    """Return the largest eigenvalue of the Hessian by Lanczos; NaN for a large point."""
    size = loss.params.size
    if size > LARGEST:
        return NAN
    from scipy.sparse.linalg import LinearOperator, eigsh

    start = np.random.default_rng(derive("explain largest", seed)).standard_normal(size)
    if size < 4:  # Lanczos needs more dimensions than vectors
        matrix = np.array([loss.product(row) for row in np.eye(size)])
        return float(np.linalg.eigvalsh((matrix + matrix.T) / 2)[-1])
    operator = LinearOperator((size, size), matvec=loss.product, dtype=np.float64)  # pyright: ignore
    solve: Any = eigsh  # its annotations know integers alone
    (value,) = solve(
        operator, k=1, which="LA", v0=start, ncv=min(size, 12), tol=1e-2, return_eigenvectors=False
    )
    return float(value)


def _from_losses(loss: MeanLoss, draws: int, seed: int, tick: Tick) -> Landscape:
    params, facts, here = loss.params, [], loss.here()
    whole = Group("total", frozenset(block.index for block in params.blocks))
    for group in (*params.groups, whole):
        squares, noises, seconds = np.zeros((3, draws))
        for k in range(draws):
            z = Restricted(Noise(derive("explain", seed, k), "gaussian"), group.blocks)
            plus, minus = loss.losses([(loss.step, z), (-loss.step, z)]).T
            slopes = (plus - minus) / (2 * loss.step)
            energy, noise = _unbiased(slopes**2, slopes * slopes.sum(), float(slopes.sum()) ** 2)
            squares[k], noises[k] = energy.value, noise.value
            seconds[k] = float(np.mean(plus + minus) - 2 * here) / loss.step**2
            tick()
        estimates = [Estimate.of(values) for values in (squares, noises, seconds)]
        facts.append(GroupFacts(group.name, _size(loss, group), *estimates))
    return Landscape(facts[:-1], facts[-1], NAN, None)
