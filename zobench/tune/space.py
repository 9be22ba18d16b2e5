"""Trials in the space that an estimator declares: Halton points, everywhere or around a point."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from zobench.core.seeds import derive
from zobench.errors import BadInput
from zobench.registry import Entry, Span

NARROW = 1 / 3  # the share of a span that the second round searches


def trials(
    entry: Entry, count: int, fixed: dict[str, Any], *seed: str | int
) -> list[dict[str, Any]]:
    """Return settings over the whole space: the defaults, then points of a Halton sequence.

    The points fill the space evenly; as few independent draws would leave gaps. A longer search
    begins with the trials of a shorter one.

    Args:
        entry: the estimator, with its space.
        count: the number of trials.
        fixed: settings of the user, which are in every trial and never searched.
        seed: decides the scrambling (Owen, arXiv:1706.02808).

    Raises:
        BadInput: there is nothing to search.
    """
    if count < 1:
        raise BadInput(f"--trials is a number of at least 1, not {count}")
    spans = {k: span for k, span in entry.space.items() if k not in fixed}
    if not spans:
        reason = "declares no space" if not entry.space else "has every setting of its space fixed"
        raise BadInput(f"{entry.name} {reason}: there is nothing to tune")
    defaults = {k: entry.defaults[k] for k in spans} | fixed
    return [defaults, *_points(entry, spans, count - 1, fixed, *seed)]


def narrowed(
    entry: Entry, best: dict[str, Any], count: int, fixed: dict[str, Any], *seed: str | int
) -> list[dict[str, Any]]:
    """Return settings from a third of each span, around `best`; of log spans, in logarithms."""
    spans = {}
    for key, (low, high, scale) in entry.space.items():
        if key in fixed:
            continue
        ends, middle = (low, high), min(max(best[key], low), high)
        if scale == "log":
            ends, middle = (math.log(low), math.log(high)), math.log(middle)
        half = NARROW * (ends[1] - ends[0]) / 2
        near = max(middle - half, ends[0]), min(middle + half, ends[1])
        spans[key] = (*map(math.exp, near), scale) if scale == "log" else (*near, scale)
    return _points(entry, spans, count, fixed, *seed, "narrowed")


def _points(
    entry: Entry, spans: dict[str, Span], count: int, fixed: dict[str, Any], *seed: str | int
) -> list[dict[str, Any]]:
    from scipy.stats import qmc  # slow to import

    rng = np.random.default_rng(derive("tune", *seed))
    points = qmc.Halton(len(spans), scramble=True, rng=rng).random(count)
    return [
        {k: _value_at(share, spans[k], entry.defaults[k]) for share, k in zip(point, spans)} | fixed
        for point in points
    ]


def _value_at(share: float, span: Span, default: Any) -> float | int:
    """The value at a share of a span, in 3 digits and in the type of the default."""
    low, high, scale = span
    if scale == "log":
        value = low * (high / low) ** float(share)
    else:
        value = low + (high - low) * float(share)
    if isinstance(default, int):
        return round(value)
    return min(max(float(f"{value:.3g}"), low), high)
