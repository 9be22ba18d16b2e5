"""Settings that change with the step: a number, or a function of t."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int], float]  # step t = 0, 1, ... -> value
Value = float | Schedule


def at(value: Value, t: int) -> float:
    return value(t) if callable(value) else value


def power(start: float, exponent: float, offset: float = 0.0) -> Schedule:
    """start * ((1 + offset) / (t + 1 + offset))^exponent: Spall's gains, `start` at t = 0."""
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
