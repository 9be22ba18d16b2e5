"""The only door between an estimator and a problem: it counts, seeds, times and watches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from zobench.core.directions import Array, Probe
from zobench.core.problem import Losses, Problem
from zobench.core.seeds import fold


class BudgetExhausted(Exception):  # noqa: N818 - the normal end of a run
    """The next call would spend more queries than the run has."""


CHECKED = 64  # calls whose losses stay on a device until they are looked at together


class Diverged(Exception):  # noqa: N818 - an outcome, not a fault
    """A loss was not finite."""


class Oracle:
    """`oracle(probes) -> losses`: one call is one draw of the problem's noise or minibatch.

    Raises BudgetExhausted before a call that does not fit, Diverged after a loss that is not
    finite (within CHECKED calls where losses stay on a device). `seconds` is the time inside the
    problem; `low` the best noise-free score among the evaluated points, where the problem knows
    it; `on_low` is told of each improvement.
    """

    def __init__(
        self,
        problem: Problem,
        budget: int,
        seed: int,
        on_low: Callable[[Sequence[float]], None] | None = None,
    ) -> None:
        self.problem, self.budget, self.seed, self.on_low = problem, budget, seed, on_low
        self.queries = 0
        self._beyond = 0  # queries beyond the first of each call, so that a lone probe costs less
        self.seconds = 0.0
        self.low = float("inf")
        self._unseen: list[Any] = []
        self._losses, self._stochastic = problem.losses, problem.stochastic

    def __call__(self, probes: Sequence[Probe]) -> Losses:
        try:
            count = len(probes)
        except TypeError:
            kind = type(probes).__name__
            raise TypeError(f"evaluate takes a list of probes, not {kind}") from None
        spent = self.queries + count
        if not self.queries < spent <= self.budget:
            if not count:
                raise ValueError("evaluate was given no probes: a call takes at least one")
            raise BudgetExhausted(f"the next step needs {count} queries")
        seed = fold(self.seed, self.calls + 1) if self._stochastic else 0
        began = perf_counter()
        try:
            losses = self._losses(probes, seed)
        except Exception:
            _check_probes(probes)  # the likelier cause, and said in the estimator's terms
            raise
        self.seconds += perf_counter() - began
        self.queries = spent
        if len(losses) != count:
            raise ValueError(f"the objective gave {len(losses)} losses for {count} probes")
        seen = self.problem.seen
        if count == 1:  # one probe a call is where time shows
            if seen is not None and seen[0] < self.low:
                self._lower(seen)
            total = losses[0]
        else:
            self._beyond += count - 1
            if seen is not None and min(seen) < self.low:
                self._lower(seen)
            total = sum(losses)
        if type(total) is not float and not isinstance(total, float | int):
            self._look_later(total)
        elif total - total != 0.0:
            self._refuse(losses)
        return losses

    @property
    def calls(self) -> int:
        """Calls so far, of `evaluate` and of gradients."""
        return self.queries - self._beyond

    def _look_later(self, total: Any) -> None:
        """Losses that stay on the device are looked at together: a look makes the host wait."""
        self._unseen.append(total)
        if len(self._unseen) < CHECKED:
            return
        total, calls = float(sum(self._unseen)), len(self._unseen)
        self._unseen.clear()
        if total - total != 0.0:
            raise Diverged(f"a loss of the last {calls} calls, by query {self.queries}, "
                           f"was not finite")  # fmt: skip

    def gradient(self) -> tuple[float, Sequence[Array]]:
        """(loss, gradient of each block), counted as one query. Raises Unsuitable without one."""
        if self.queries + 1 > self.budget:
            raise BudgetExhausted("the next step needs 1 query")
        began = perf_counter()
        loss, gradients = self.problem.gradient(fold(self.seed, self.calls + 1))
        self.seconds += perf_counter() - began
        self.queries += 1
        seen = self.problem.seen
        if seen is not None and min(seen) < self.low:
            self._lower(seen)
        if loss - loss != 0.0:
            self._refuse([loss])
        return loss, gradients

    def _lower(self, seen: Sequence[float]) -> None:
        self.low = min(seen)
        if self.on_low is not None:
            self.on_low(seen)

    def _refuse(self, losses: Losses) -> None:
        first = next((k for k, loss in enumerate(losses) if loss - loss != 0.0), None)
        if first is not None:  # else: finite losses whose sum overflowed
            at = self.queries - len(losses) + first + 1
            raise Diverged(f"the loss was {losses[first]} at query {at}")


def _check_probes(probes: Sequence[Any]) -> None:
    """Raises TypeError unless the probes are pairs (scale, direction)."""
    for probe in probes:
        if not isinstance(probe, tuple | list) or len(probe) != 2:
            raise TypeError(f"a probe is a pair (scale, direction), not {type(probe).__name__}")
        if not callable(getattr(probe[1], "expand", None)) or hasattr(probe[1], "shape"):
            raise TypeError(
                f"the direction of a probe is a {type(probe[1]).__name__}; write a direction of "
                "zobench.core.directions, such as Noise(seed), or Dense for an array of your own"
            )
