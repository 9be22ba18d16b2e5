"""Settings that change with the step: a number, or a function of t.

A setting whose annotation in a factory is `Value` takes a schedule wherever it takes a number:
lr = "cosine(1e-3, 2000)" falls from 1e-3 to 0 in 2000 steps and stays there, lr = "cosine(1e-3)" in
the steps of the run's budget.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from zobench.errors import BadInput, unknown

Schedule = Callable[[int], float]  # step t = 0, 1, ... -> value
Value = float | Schedule


def at(value: Value, t: int) -> float:
    return value(t) if callable(value) else value


def above_zero(name: str, value: Value) -> None:
    """Raises BadInput for a number that is not above 0; a schedule is taken as it is."""
    if not callable(value) and not value > 0:
        raise BadInput(f"{name} must be above 0, not {value}")


def not_negative(name: str, value: Value) -> None:
    """Raises BadInput for a number below 0; a schedule is taken as it is."""
    if not callable(value) and not value >= 0:
        raise BadInput(f"{name} must be 0 or above, not {value}")


def below_one(name: str, value: float) -> None:
    """Raises BadInput for a number outside [0, 1): the weight of what is remembered."""
    if not 0 <= value < 1:
        raise BadInput(f"{name} must be 0 or above and below 1, not {value}")


def power(start: float, exponent: float, offset: float = 0.0) -> Schedule:
    """start * ((1 + offset) / (t + 1 + offset))^exponent: Spall's gains, `start` at t = 0."""
    not_negative("offset", offset)
    return lambda t: start * ((1 + offset) / (t + 1 + offset)) ** exponent


@dataclass(frozen=True)
class Decay:
    """`start` times a shape, which falls from 1 to 0 in `steps` steps; 0 stands for a whole run."""

    start: float
    steps: int
    shape: str  # of SHAPES

    def __post_init__(self) -> None:
        if callable(self.start):
            raise BadInput(f"{self.shape} starts at a number; only warmup takes a schedule")
        above_zero("the start of a schedule", self.start)
        not_negative("the number of steps of a schedule", self.steps)

    def __call__(self, t: int) -> float:
        return self.start * SHAPES[self.shape](min(1.0, t / self.steps) if self.steps else 0.0)

    def over(self, steps: int) -> Decay:
        """The schedule in a run of so many steps."""
        return self if self.steps else replace(self, steps=steps)


@dataclass(frozen=True)
class WarmUp:
    """`value`, ramped up linearly over the first `steps` steps."""

    value: Value
    steps: int

    def __post_init__(self) -> None:
        above_zero("the number of steps of a warm-up", self.steps)
        above_zero("the value of a warm-up", self.start)

    @property
    def start(self) -> float:
        """The value that is ramped up to."""
        return start_of(self.value)

    def __call__(self, t: int) -> float:
        return at(self.value, t) * min(1.0, (t + 1) / self.steps)

    def over(self, steps: int) -> WarmUp:
        """The schedule in a run of so many steps."""
        return replace(self, value=over(self.value, steps))


SHAPES: dict[str, Callable[[float], float]] = {  # of the share of the steps that is over
    "linear": lambda share: 1 - share,
    "cosine": lambda share: 0.5 * (1 + math.cos(math.pi * share)),
}


def linear(start: float, steps: int = 0) -> Decay:
    """From `start` to 0 in `steps` steps, along a line; without `steps`, in the run's budget."""
    return Decay(start, steps, "linear")


def cosine(start: float, steps: int = 0) -> Decay:
    """From `start` to 0 in `steps` steps, along half a cosine; without `steps`, in the budget."""
    return Decay(start, steps, "cosine")


def warmup(value: Value, steps: int) -> WarmUp:
    """`value`, ramped up linearly over the first `steps` steps."""
    return WarmUp(value, steps)


NAMES = {"linear": linear, "cosine": cosine, "warmup": warmup}
EXAMPLE = '"cosine(1e-3, 2000)"'


def parse(text: str) -> Value:
    """A schedule as settings write it: "cosine(1e-3, 2000)", "warmup(linear(1e-3), 100)".

    Raises BadInput.
    """
    try:
        return _made(ast.parse(text.strip(), mode="eval").body)
    except BadInput:
        raise
    except (SyntaxError, ValueError, TypeError, RecursionError, OverflowError):
        names = ", ".join(NAMES)
        raise BadInput(f"{text!r} is not a schedule, such as {EXAMPLE}; known: {names}") from None


def _made(node: ast.expr) -> Value:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        if node.func.id not in NAMES:
            raise unknown("schedule", node.func.id, NAMES)
        value, *steps = map(_made, node.args)
        if any(callable(n) or n != int(n) or n < 1 for n in steps):
            raise BadInput(f"{ast.unparse(node)}: steps are a whole number of at least 1")
        return NAMES[node.func.id](value, *(int(at(n, 0)) for n in steps))  # pyright: ignore
    value = float(ast.literal_eval(node))
    if not math.isfinite(value):
        raise BadInput(f"{ast.unparse(node)} is not a finite number")
    return value


def start_of(value: Value) -> float:
    """The number of a setting, or the one that its schedule scales."""
    return value if isinstance(value, int | float) else getattr(value, "start", value(0))


def over(value: Any, steps: int) -> Any:
    """The value in a run of so many steps, for a schedule that spans the whole run."""
    return value.over(steps) if isinstance(value, Decay | WarmUp) else value


def spans_the_run(value: Any) -> bool:
    """True for a schedule that needs to know how many steps its run has."""
    return isinstance(value, Decay | WarmUp) and over(value, 1) != value
