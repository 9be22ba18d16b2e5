"""Random search over an estimator's declared space; trial 0 is its defaults."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from zobench.core.seeds import derive
from zobench.errors import BadInput
from zobench.registry import Entry, Span


def trials(
    entry: Entry, count: int, fixed: dict[str, Any], *seed: str | int
) -> list[dict[str, Any]]:
    """`count` settings to try: the defaults first, then draws that depend on `seed` and the trial.

    `fixed` holds settings the user gave: they are in every trial and never searched. A longer
    search begins with the trials of a shorter one. Raises BadInput when nothing can be searched.
    """
    if count < 1:
        raise BadInput(f"trials is a number of at least 1, not {count}")
    open_settings = {k: span for k, span in entry.space.items() if k not in fixed}
    if not open_settings:
        why = "declares no space" if not entry.space else "has every setting of its space fixed"
        raise BadInput(f"{entry.name} {why}: there is nothing to tune")
    chosen = [{k: entry.defaults[k] for k in open_settings} | fixed]
    for trial in range(1, count):
        rng = np.random.default_rng(derive("tune", *seed, trial))
        drawn = {k: _draw(rng, span, entry.defaults[k]) for k, span in open_settings.items()}
        chosen.append(drawn | fixed)
    return chosen


def _draw(rng: np.random.Generator, span: Span, default: Any) -> float | int:
    """A value of the span, uniform or log-uniform, in the type of the default, 3 digits long."""
    low, high, scale = span
    if scale == "log":
        value = math.exp(rng.uniform(math.log(low), math.log(high)))
    else:
        value = rng.uniform(low, high)
    if isinstance(default, int):
        return round(value)
    return min(max(float(f"{value:.3g}"), low), high)
