"""`zobench bench numerics`: what rounding does to MeZO, for every type and realisation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from zobench.core.directions import Probe
from zobench.core.numerics import Numerics, numerics, resolution
from zobench.core.oracle import Oracle
from zobench.core.problem import Losses
from zobench.errors import BadInput
from zobench.registry import estimators, objectives

DIGITS = {"float32": 24, "float16": 11, "bfloat16": 8}  # binary digits of a number
STEPS = 30  # of MeZO, whose slopes and losses are the typical ones


@dataclass(frozen=True)
class Case:
    """A type of weights, how probes are realised, and how writes are rounded."""

    dtype: str
    realisation: str
    rounding: str


@dataclass(frozen=True)
class Row:
    """Figures of a case; `coarse` is the resolution if the loss had the weights' own type."""

    case: Case
    found: Numerics
    slope: float
    resolution: float
    coarse: float


def cases(dtypes: list[str]) -> list[Case]:
    """Every combination that differs: fp32 writes are always rounded to nearest."""
    for dtype in dtypes:
        if dtype not in DIGITS:
            raise BadInput(f"dtype is one of {', '.join(DIGITS)}, not {dtype!r}")
    return [
        Case(dtype, realisation, rounding)
        for dtype in dtypes
        for realisation in ("walk", "scratch")
        for rounding in ("nearest", "stochastic")[: 1 if dtype == "float32" else 2]
    ]


def measure(
    case: Case, model: str, task: str, data: str, lr: float, eps: float, device: str
) -> Row:
    """STEPS of MeZO from the start, then the figures at that point."""
    settings = {"model": model, "task": task, "data": data, "device": device, "dtype": case.dtype}
    problem = objectives["llm"].build(
        settings | {"realisation": case.realisation, "rounding": case.rounding}
    )
    params = problem.start(0)
    problem.warm_up()
    estimator = estimators["mezo"].build({"lr": lr, "eps": eps})
    estimator.start(params, 0)
    oracle, slopes, losses = Oracle(problem, 2 * STEPS, 0), [], []

    def watched(probes: Sequence[Probe]) -> Losses:
        plus, minus = found = oracle(probes)
        losses.append((plus + minus) / 2)
        slopes.append(abs(plus - minus) / (2 * eps))
        return found

    for _ in range(STEPS):
        estimator.step(watched)
    slope, loss = median(slopes), median(losses)
    found = numerics(params, eps, lr * slope, lambda: problem.loss(0))
    fine, coarse = (resolution(loss, eps, slope, d) for d in (24, DIGITS[case.dtype]))
    return Row(case, found, slope, fine, coarse)


def rows(
    dtypes: list[str], model: str, task: str, data: str, lr: float, eps: float, device: str
) -> Iterator[Row]:
    """A row for each case, as it is measured."""
    for case in cases(dtypes):
        yield measure(case, model, task, data, lr, eps, device)
