"""Trials over an estimator's declared space: a Halton sequence; trial 0 is its defaults."""

from __future__ import annotations

from typing import Any

import numpy as np

from zobench.core.seeds import derive
from zobench.errors import BadInput
from zobench.registry import Entry, Span


def trials(
    entry: Entry, count: int, fixed: dict[str, Any], *seed: str | int
) -> list[dict[str, Any]]:
    """`count` settings to try: the defaults first, then points of a scrambled Halton sequence.

    Its points fill the space evenly, where as few independent draws would leave gaps. `seed`
    decides the scrambling (Owen, arXiv:1706.02808).
    `fixed` holds settings the user gave: they are in every trial and never searched. A longer
    search begins with the trials of a shorter one. Raises BadInput when nothing can be searched.
    """
    if count < 1:
        raise BadInput(f"trials is a number of at least 1, not {count}")
    open_settings = {k: span for k, span in entry.space.items() if k not in fixed}
    if not open_settings:
        why = "declares no space" if not entry.space else "has every setting of its space fixed"
        raise BadInput(f"{entry.name} {why}: there is nothing to tune")
    from scipy.stats import qmc  # slow to import

    rng = np.random.default_rng(derive("tune", *seed))
    points = qmc.Halton(len(open_settings), scramble=True, rng=rng).random(count - 1)
    chosen = [{k: entry.defaults[k] for k in open_settings} | fixed]
    for point in points:
        drawn = {
            k: _place(share, span, entry.defaults[k])
            for share, (k, span) in zip(point, open_settings.items())
        }
        chosen.append(drawn | fixed)
    return chosen


def _place(share: float, span: Span, default: Any) -> float | int:
    """The value a share of the way through a span, in the type of the default, 3 digits long."""
    low, high, scale = span
    if scale == "log":
        value = low * (high / low) ** float(share)
    else:
        value = low + (high - low) * float(share)
    if isinstance(default, int):
        return round(value)
    return min(max(float(f"{value:.3g}"), low), high)
