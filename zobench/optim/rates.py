"""Learning rates and weight decay, as set in the parameter groups of torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from zobench.core.schedules import EXAMPLE, at, parse, spans_the_run, start_of
from zobench.errors import BadInput
from zobench.registry import Entry, check_settings


class Rates:
    """The rates that an estimator is built with, and those of its parameter groups.

    Weight decay is the optimizer's, as it may differ by group; a learning rate of 0 is a ratio.
    """

    def __init__(self, entry: Entry, settings: Mapping[str, Any]) -> None:
        """Take the settings. Raises BadInput for one that the estimator does not have."""
        own = dict(settings)
        self.entry, self.has_lr = entry, "lr" in entry.defaults
        self.decay = float(own.pop("weight_decay", entry.defaults.get("weight_decay", 0.0)))
        self.settings = check_settings(entry, own)
        for key in entry.varying:
            text = self.settings.get(key)
            if isinstance(text, str) and spans_the_run(parse(text)):
                raise BadInput(
                    f"{key}: an optimizer has no budget; give the number of steps, as in {EXAMPLE}"
                )
        rate = self.settings.get("lr", entry.defaults.get("lr", 1.0))
        self.lr = _start(rate)
        if self.has_lr:
            self.settings["lr"] = rate if isinstance(rate, str) else self.lr or 1.0
        if "weight_decay" in entry.defaults:
            self.settings["weight_decay"] = 0.0
        self.start(self.settings)

    def start(self, settings: Mapping[str, Any]) -> None:
        """Take the settings with which the estimator is built."""
        rate = settings.get("lr", 1.0)
        self.base = _start(rate)
        self._rate = parse(rate) if isinstance(rate, str) else self.base

    def of(
        self, groups: Iterable[Mapping[str, Any]], has_rule: bool, t: int
    ) -> list[tuple[float, float]]:
        """Return (ratio to the estimator's own rate, decayed fraction) for each group at step t.

        Raises BadInput for rates that are not numbers of 0 or above.
        """
        pairs = []
        share = at(self._rate, t) / self.base  # the factor of a schedule at this step
        for group in groups:
            try:
                rate, fraction = float(group["lr"]), float(group["weight_decay"])
            except (KeyError, TypeError, ValueError) as error:
                raise BadInput(
                    "a parameter group needs the numbers lr and weight_decay, and has "
                    f"{group.get('lr')!r} and {group.get('weight_decay')!r}"
                ) from error
            if not (0 <= rate < math.inf and 0 <= fraction < math.inf):
                raise BadInput(f"lr and weight_decay are 0 or above, not {rate:g} and {fraction:g}")
            if not self.has_lr and rate != 1.0:
                raise BadInput(f"{self.entry.name} has no learning rate: lr stays 1, not {rate:g}")
            if fraction and not has_rule:
                raise BadInput(f"{self.entry.name} has no weight decay")
            pairs.append((rate / self.base, rate * fraction * share))
        return pairs


def _start(rate: float | str) -> float:
    """Return the rate that a parameter group shows: of a schedule, the number that it scales."""
    return start_of(parse(rate)) if isinstance(rate, str) else float(rate)
