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

__all__ = [
    "Decay",
    "Schedule",
    "Value",
    "WarmUp",
    "above_zero",
    "at",
    "below_one",
    "cosine",
    "linear",
    "not_negative",
    "parse",
    "power",
    "warmup",
]

Schedule = Callable[[int], float]  # step t = 0, 1, ... -> value
Value = float | Schedule


def at(value: Value, t: int) -> float:
    """Return the value of a setting at a step.

    Args:
        value: number, or schedule.
        t: number of the step, from 0.

    Returns:
        The value.
    """
    return value(t) if callable(value) else value


def above_zero(name: str, value: Value) -> None:
    """Check that a number is above 0; a schedule passes.

    Args:
        name: of the setting, for the message.
        value: number, or schedule.

    Raises:
        BadInput: the number is not above 0.
    """
    if not callable(value) and not value > 0:
        raise BadInput(f"{name} must be above 0, not {value}")


def not_negative(name: str, value: Value) -> None:
    """Check that a number is 0 or above; a schedule passes.

    Args:
        name: of the setting, for the message.
        value: number, or schedule.

    Raises:
        BadInput: the number is below 0.
    """
    if not callable(value) and not value >= 0:
        raise BadInput(f"{name} must be 0 or above, not {value}")


def below_one(name: str, value: float) -> None:
    """Check that a number is in [0, 1), as the factor of an average over steps is.

    Args:
        name: of the setting, for the message.
        value: number.

    Raises:
        BadInput: the number is outside [0, 1).
    """
    if not 0 <= value < 1:
        raise BadInput(f"{name} must be 0 or above and below 1, not {value}")


def power(start: float, exponent: float, offset: float = 0.0) -> Schedule:
    """Return Spall's gains, start * ((1 + offset) / (t + 1 + offset))^exponent.

    Args:
        start: value at t = 0.
        exponent: of the fall.
        offset: number of steps that delays the fall, 0 or above.

    Returns:
        The schedule.

    Example:
        >>> from zobench import schedules
        >>> gains = schedules.power(0.1, 1.0)
        >>> gains(0), gains(1)
        (0.1, 0.05)
    """
    not_negative("offset", offset)
    return lambda t: start * ((1 + offset) / (t + 1 + offset)) ** exponent


@dataclass(frozen=True)
class Decay:
    """A value that falls from `start` to 0 along a shape, and stays there.

    Args:
        start: value at t = 0.
        steps: number of steps of the fall; 0: those of the run.
        shape: "linear" or "cosine".
    """

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
        """Return the schedule in a run of a known length.

        Args:
            steps: number of steps of the run.

        Returns:
            The schedule, which falls to 0 over the run unless it has steps of its own.
        """
        return self if self.steps else replace(self, steps=steps)


@dataclass(frozen=True)
class WarmUp:
    """A value that rises linearly from 0 over the first steps.

    Args:
        value: number, or schedule, that is reached.
        steps: number of steps of the rise.
    """

    value: Value
    steps: int

    def __post_init__(self) -> None:
        above_zero("the number of steps of a warm-up", self.steps)
        above_zero("the value of a warm-up", self.start)

    @property
    def start(self) -> float:
        """The number that the value starts from after the rise."""
        return start_of(self.value)

    def __call__(self, t: int) -> float:
        return at(self.value, t) * min(1.0, (t + 1) / self.steps)

    def over(self, steps: int) -> WarmUp:
        """Return the schedule in a run of a known length.

        Args:
            steps: number of steps of the run.

        Returns:
            The schedule.
        """
        return replace(self, value=over(self.value, steps))


SHAPES: dict[str, Callable[[float], float]] = {  # of the share of the steps that is over
    "linear": lambda share: 1 - share,
    "cosine": lambda share: 0.5 * (1 + math.cos(math.pi * share)),
}


def linear(start: float, steps: int = 0) -> Decay:
    """Return a schedule that falls from `start` to 0 along a line.

    Args:
        start: value at t = 0.
        steps: number of steps of the fall; 0: those of the run's budget.

    Returns:
        The schedule.

    Example:
        >>> from zobench import schedules
        >>> schedules.linear(0.1, 10)(5)
        0.05
    """
    return Decay(start, steps, "linear")


def cosine(start: float, steps: int = 0) -> Decay:
    """Return a schedule that falls from `start` to 0 along half a cosine.

    Args:
        start: value at t = 0.
        steps: number of steps of the fall; 0: those of the run's budget.

    Returns:
        The schedule.

    Example:
        >>> from zobench import schedules
        >>> schedules.cosine(0.1, 10)(5)
        0.05
    """
    return Decay(start, steps, "cosine")


def warmup(value: Value, steps: int) -> WarmUp:
    """Return a schedule that rises linearly over the first steps, and then is another.

    Args:
        value: number, or schedule, that is reached.
        steps: number of steps of the rise.

    Returns:
        The schedule.

    Example:
        >>> from zobench import schedules
        >>> [schedules.warmup(0.4, 4)(t) for t in range(5)]
        [0.1, 0.2, 0.30000000000000004, 0.4, 0.4]
    """
    return WarmUp(value, steps)


NAMES: dict[str, Callable[..., Schedule]] = {"linear": linear, "cosine": cosine, "warmup": warmup}
EXAMPLE = '"cosine(1e-3, 2000)"'


def parse(text: str) -> Value:
    """Return the schedule of a text, such as settings are.

    Args:
        text: such as "cosine(1e-3, 2000)" or "warmup(linear(1e-3), 100)".

    Returns:
        The schedule, or a number.

    Raises:
        BadInput: the text is not a schedule.

    Example:
        >>> from zobench import schedules
        >>> schedules.parse("cosine(1e-3, 2000)")
        Decay(start=0.001, steps=2000, shape='cosine')
    """
    try:
        return _parsed(ast.parse(text.strip(), mode="eval").body)
    except BadInput:
        raise
    except (SyntaxError, ValueError, TypeError, RecursionError, OverflowError):
        names = ", ".join(NAMES)
        raise BadInput(f"{text!r} is not a schedule, such as {EXAMPLE}; known: {names}") from None


def _parsed(node: ast.expr) -> Value:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        if node.func.id not in NAMES:
            raise unknown("schedule", node.func.id, NAMES)
        value, *steps = map(_parsed, node.args)
        if any(callable(n) or n != int(n) or n < 1 for n in steps):
            raise BadInput(f"{ast.unparse(node)}: steps are a whole number of at least 1")
        return NAMES[node.func.id](value, *(int(at(n, 0)) for n in steps))  # pyright: ignore
    value = float(ast.literal_eval(node))
    if not math.isfinite(value):
        raise BadInput(f"{ast.unparse(node)} is not a finite number")
    return value


def start_of(value: Value) -> float:
    """Return the number of a setting, or the one that its schedule scales.

    Args:
        value: number, or schedule.

    Returns:
        The number.
    """
    return value if isinstance(value, int | float) else getattr(value, "start", value(0))


def over(value: Any, steps: int) -> Any:
    """Return a value in a run of a known length.

    Args:
        value: number, or schedule.
        steps: number of steps of the run.

    Returns:
        The value; for a schedule that spans the whole run, one that ends with it.
    """
    return value.over(steps) if isinstance(value, Decay | WarmUp) else value


def spans_the_run(value: Any) -> bool:
    """Return True for a schedule that needs to know how many steps its run has.

    Args:
        value: number, or schedule.

    Returns:
        True for such a schedule.
    """
    return isinstance(value, Decay | WarmUp) and over(value, 1) != value
