"""Regularised logistic regression on power-law features: the convex problem with natural noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zobench.errors import BadInput
from zobench.objectives.synthetic._settings import (
    BLOCKS,
    NOISE,
    TENSORS,
    BlockSettings,
    NoiseSettings,
    TensorSettings,
    at_least,
    shared_settings,
)
from zobench.registry import objectives

if TYPE_CHECKING:
    from zobench.objectives.synthetic._tensors import TensorProblem


@objectives.register(
    "logistic",
    version="1",
    in_worker=("scipy.optimize", "zobench.objectives.synthetic._tensors"),
    isolate=True,
)
@shared_settings
def logistic(
    dim: int = 1000,
    examples: int = 500,
    exponent: float = 1.0,
    batch: int = 0,
    instance: int = 1,
    split: BlockSettings = BLOCKS,
    storage: TensorSettings = TENSORS,
    noise: NoiseSettings = NOISE,
) -> TensorProblem:
    """Logistic regression, mean_i log(1 + exp(-b_i a_i'w)) + |w|^2 / (2 examples), from w = 0.

    Features a_i ~ N(0, diag(j^-exponent)) and labels b_i of a noisy linear teacher come from
    `instance`. With `batch` > 0, a loss is the mean over that number of random examples, the same
    for all probes of a call, and the current point is scored on all examples. The gap is
    (f - f*) / (log 2 - f*): 1 at the start, where f = log 2; f* is computed in float64 when the
    problem is built. Memory: examples x dim numbers. One query takes `batch` samples.
    """
    from zobench.objectives.synthetic import _logistic
    from zobench.objectives.synthetic._basis import Identity
    from zobench.objectives.synthetic._tensors import layout

    at_least("dim", dim, 1)
    at_least("examples", examples, 2)
    at_least("exponent", exponent, 0.0)
    if not 0 <= batch <= examples:
        raise BadInput(f"batch is 0 (all examples) or up to examples = {examples}, not {batch}")
    stored = layout(dim, split, storage)
    problem = _logistic.LogisticProblem(
        _logistic.Logistic(
            _logistic.data(dim, examples, exponent, instance, storage.dtype), stored.device
        ),
        Identity(),
        stored,
        noise.model(dim),
    )
    if 0 < batch < examples:
        problem.use_batches(batch)
    return problem
