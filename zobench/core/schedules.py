"""Settings that change with the step: a number, or a function of t."""

from __future__ import annotations

import math
from collections.abc import Callable

from zobench.errors import BadInput

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


def linear(start: float, steps: int) -> Schedule:
    """From `start` to 0 in `steps` steps."""
    return lambda t: start * max(0.0, 1 - t / steps)


def cosine(start: float, steps: int) -> Schedule:
    """Half a cosine from `start` to 0 in `steps` steps."""
    return lambda t: start * 0.5 * (1 + math.cos(math.pi * min(1.0, t / steps)))


def warm_up(value: Value, steps: int) -> Schedule:
    """`value`, ramped up linearly over the first `steps` steps."""
    return lambda t: at(value, t) * min(1.0, (t + 1) / steps)
