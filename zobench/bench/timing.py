"""Interleaved timing: each round measures every case once, so that a slow minute slows all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median, quantiles

TimedCase = Callable[[], float]  # does a fixed amount of work, and returns its cost in any unit


@dataclass(frozen=True)
class Sample:
    """The costs of one case, one per round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median cost."""
        return median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The lower and the upper quartile."""
        if len(self.values) < 2:
            return self.median, self.median
        low, _, high = quantiles(self.values, n=4, method="inclusive")
        return low, high

    def minus(self, part: Sample) -> Sample:
        """Return this cost less that of `part` in the same round."""
        return Sample(tuple(a - b for a, b in zip(self.values, part.values)))

    def ratio(self, floor: Sample) -> float:
        """Return the median over the rounds of this cost divided by that of `floor`."""
        return median(a / b for a, b in zip(self.values, floor.values))


def interleave(
    cases: Mapping[str, TimedCase], rounds: int, warm_up: bool = True
) -> Iterator[tuple[int, dict[str, Sample]]]:
    """Measure all cases `rounds` times; after each round yield its number and the samples so far.

    The order is rotated by one case per round, so that no case always follows the same one. One
    round before the first, which does not count, fills caches and compiles.
    """
    names = list(cases)
    values: dict[str, list[float]] = {name: [] for name in names}
    if warm_up:
        for name in names:
            cases[name]()
    for done in range(rounds):
        turn = done % len(names)
        for name in names[turn:] + names[:turn]:
            values[name].append(cases[name]())
        yield done + 1, {name: Sample(tuple(v)) for name, v in values.items()}
