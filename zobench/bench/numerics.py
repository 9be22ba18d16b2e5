"""`zobench bench numerics`: effects of rounding on an estimator, by type and realisation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from zobench.core.directions import Probe
from zobench.core.oracle import Oracle
from zobench.core.problem import Losses
from zobench.engine.numerics import Numerics, resolution
from zobench.errors import BadInput
from zobench.registry import estimators, objectives

DIGITS = {"float32": 24, "float16": 11, "bfloat16": 8}  # binary digits of a number
STEPS = 30  # of the estimator, whose slopes and losses are the typical ones
MANY = 1 << 62  # queries
NAN = float("nan")


@dataclass(frozen=True)
class NumericsCase:
    """A type of weights, how probes are realised, and how writes are rounded."""

    dtype: str
    realisation: str
    rounding: str


@dataclass(frozen=True)
class NumericsRow:
    """Figures of a case. `coarse` is the resolution if the loss had the weights' own type.

    `slope` and both resolutions are NaN for an estimator that never evaluates two points on a line.
    """

    case: NumericsCase
    figures: Numerics
    slope: float
    resolution: float
    coarse: float


def cases(dtypes: list[str]) -> list[NumericsCase]:
    """Return all cases. Weights of 32 bits are always rounded to nearest."""
    for dtype in dtypes:
        if dtype not in DIGITS:
            raise BadInput(f"dtype is one of {', '.join(DIGITS)}, not {dtype!r}")
    return [
        NumericsCase(dtype, realisation, rounding)
        for dtype in dtypes
        for realisation in ("walk", "scratch")
        for rounding in ("nearest", "stochastic")[: 1 if dtype == "float32" else 2]
    ]


def settings(estimator: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return those of `values` that the estimator has. Raises BadInput for an unknown estimator."""
    defaults = estimators[estimator].defaults
    return {name: value for name, value in values.items() if name in defaults}


def measure(
    case: NumericsCase,
    estimator: str,
    values: dict[str, Any],
    model: str,
    task: str,
    data: str,
    device: str,
) -> NumericsRow:
    """Make STEPS steps of the estimator, and return the figures of its last probes and move."""
    build = {"model": model, "task": task, "data": data, "device": device, "dtype": case.dtype}
    problem = objectives["llm"].build(
        build | {"realisation": case.realisation, "rounding": case.rounding}
    )
    params = problem.start(0)
    problem.warm_up()
    stepper = estimators[estimator].build(settings(estimator, values))
    stepper.start(params, 0)
    oracle, lines = Oracle(problem, MANY, 0), []

    def watched(probes: Sequence[Probe]) -> Losses:
        losses = oracle(probes)
        for (one, (a, d)), (other, (b, e)) in pairwise(zip(losses, probes)):
            if a != b and (d is e or not a):  # two points on a line: a pair, or a base and a probe
                lines.append((abs(float(one) - float(other)), abs(a - b), abs(float(one))))
        return losses

    watched.gradient = oracle.gradient  # pyright: ignore[reportFunctionMemberAccess]
    for _ in range(STEPS):
        stepper.step(watched)
    if not lines:
        return NumericsRow(case, problem.numerics(), NAN, NAN, NAN)
    slope = median(difference / distance for difference, distance, _ in lines)
    distance, loss = (median(line[k] for line in lines) for k in (1, 2))
    fine, coarse = (resolution(loss, distance, slope, d) for d in (24, DIGITS[case.dtype]))
    return NumericsRow(case, problem.numerics(), slope, fine, coarse)


def rows(
    dtypes: list[str],
    estimator: str,
    values: dict[str, Any],
    model: str,
    task: str,
    data: str,
    device: str,
) -> Iterator[NumericsRow]:
    """Yield a row per case, as it is measured. Settings that the estimator lacks are ignored."""
    for case in cases(dtypes):
        yield measure(case, estimator, values, model, task, data, device)
