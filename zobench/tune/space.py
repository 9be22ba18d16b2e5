"""Trials in the space that an estimator declares: points of a Halton sequence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from zobench.core.schedules import parse, start_of
from zobench.core.seeds import derive
from zobench.errors import BadInput
from zobench.registry import RATE, Entry, Options, Span

SCHEDULE = f"{RATE} over the run"  # the dimension of a learning rate's schedule
SCHEDULES: Options = ["constant", "cosine"]


def searched(entry: Entry, fixed: dict[str, Any]) -> dict[str, Span | Options]:
    """Return the dimensions of a search: the space less fixed settings, and the rate's schedule.

    Args:
        entry: the estimator, with its space.
        fixed: settings of the user.

    Raises:
        BadInput: there is nothing to search.
    """
    dimensions = {key: of for key, of in entry.space.items() if key not in fixed}
    if not dimensions:
        reason = "declares no space" if not entry.space else "has every setting of its space fixed"
        raise BadInput(f"{entry.name} {reason}: there is nothing to tune")
    if RATE in dimensions and RATE in entry.varying:
        dimensions[SCHEDULE] = SCHEDULES
    return dimensions


def trials(
    entry: Entry, count: int, fixed: dict[str, Any], *seed: str | int
) -> list[dict[str, Any]]:
    """Return settings over the whole space: the defaults, then points of a Halton sequence.

    The points fill the space evenly; as few independent draws would leave gaps. A longer search
    begins with the trials of a shorter one. Estimators with the same dimensions get the same
    shares of their spans.

    Args:
        entry: the estimator, with its space.
        count: the number of trials beside the defaults.
        fixed: settings of the user, which are in every trial and never searched.
        seed: decides the scrambling (Owen, arXiv:1706.02808).

    Raises:
        BadInput: there is nothing to search.
    """
    if count < 1:
        raise BadInput(f"--trials is a number of at least 1, not {count}")
    dimensions = searched(entry, fixed)
    defaults = {key: entry.defaults[key] for key in dimensions if key != SCHEDULE} | fixed
    from scipy.stats import qmc  # slow to import

    rng = np.random.default_rng(derive("tune", *seed))
    points = qmc.Halton(len(dimensions), scramble=True, rng=rng).random(count)
    chosen_settings = []
    for point in points:
        shares = zip(point, dimensions.items())
        settings = {k: _value_at(share, of, entry.defaults.get(k)) for share, (k, of) in shares}
        if settings.pop(SCHEDULE, SCHEDULES[0]) != SCHEDULES[0]:
            settings[RATE] = f"cosine({settings[RATE]:g})"
        chosen_settings.append(settings | fixed)
    return [defaults, *chosen_settings]


def at_edge(entry: Entry, settings: dict[str, Any], fixed: dict[str, Any]) -> list[str]:
    """Return the settings in the outer twentieth of their span, which may be too narrow."""
    edge = []
    for key, span in entry.space.items():
        if key in fixed or not isinstance(span, tuple):
            continue
        low, high, scale = span
        value = settings[key]
        value = start_of(parse(value) if isinstance(value, str) else value)
        if scale == "log":
            low, high, value = math.log(low), math.log(high), math.log(value)
        if not 0.05 <= (value - low) / (high - low) <= 0.95:
            edge.append(key)
    return edge


def _value_at(share: float, of: Span | Options, default: Any) -> Any:
    """The value at a share of a span, in 3 digits and in the type of the default; or a choice."""
    if isinstance(of, list):
        return of[min(int(share * len(of)), len(of) - 1)]
    low, high, scale = of
    if scale == "log":
        value = low * (high / low) ** float(share)
    else:
        value = low + (high - low) * float(share)
    if isinstance(default, int):
        return round(value)
    return min(max(float(f"{value:.3g}"), low), high)
