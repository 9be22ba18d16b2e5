"""Connect an estimator to a problem: count, seed, time and check each evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real
from time import perf_counter
from typing import Any

from zobench.core.directions import Array, Probe
from zobench.core.problem import Losses, Problem
from zobench.core.seeds import fold
from zobench.errors import BadInput, Unsuitable


class BudgetExhausted(Exception):  # noqa: N818 - the normal end of a run
    """The next call would spend more queries than the run has.

    Example:
        >>> oracle = zobench.Oracle(zobench.problem("sphere", dim=2), budget=1, seed=0)
        >>> oracle([(0.1, zobench.Noise(0)), (-0.1, zobench.Noise(0))])
        Traceback (most recent call last):
            ...
        zobench.core.oracle.BudgetExhausted: the next step needs 2 queries
    """


class Diverged(Exception):  # noqa: N818 - an outcome, not a fault
    """A loss was not finite."""


class Unstoppable(BaseException):  # an `except Exception` does not catch it
    """An estimator goes on calling, however often its calls raise."""


CHECKED = 64  # calls whose losses stay on a device until they are looked at together
_BATCH = 0  # what a seed folded from the run's seed is for: calls are numbered from 1
REFUSALS = 50  # calls in a row that raise, after which Unstoppable is raised
WORST = float("inf")  # replaces a loss that is not finite, for an estimator that ranks


class Oracle:
    """The `evaluate` of a run: oracle(probes) returns losses, and counts queries.

    One call is one draw of the problem's noise or minibatch; calls that name the same `batch` have
    the same minibatch. A call raises BudgetExhausted if it does not fit into the budget, and
    Diverged after a loss that is not finite (within 64 calls where losses stay on a device). For an
    estimator that `ranks`, NaN and infinity are replaced by infinity, and the run goes on. Minus
    infinity is Diverged for all. Every later call raises the end of the run again.

    Args:
        problem: a problem that has been started.
        budget: the number of queries of the run.
        seed: of all noise and minibatches.
        on_low: takes the noise-free scores of a call that improved on the best one.
        on_device: True for an estimator that only computes with losses: they may stay on a device.

    Attributes:
        queries: queries so far.
        seconds: the time inside the problem so far.
        low: the best noise-free score among the evaluated points, where the problem knows it.
        lost: the number of losses so far that were not finite.
        ranks: set to True for an estimator that only compares losses.
        gradients: set to False for an estimator that may not call `gradient`.

    Example:
        >>> problem = zobench.problem("sphere", dim=2)
        >>> params = problem.start(0)
        >>> oracle = zobench.Oracle(problem, budget=100, seed=0)
        >>> losses = oracle([(0.1, zobench.Noise(0)), (-0.1, zobench.Noise(0))])
        >>> oracle.queries
        2
    """

    def __init__(
        self,
        problem: Problem,
        budget: int,
        seed: int,
        on_low: Callable[[Sequence[float]], None] | None = None,
        on_device: bool = False,
    ) -> None:
        self._problem = problem
        self.budget: int = budget
        self.seed: int = seed
        self.on_low: Callable[[Sequence[float]], None] | None = on_low
        self.ranks: bool = False
        self.gradients: bool = True
        # called where the estimator catches Unstoppable too
        self.abandon: Callable[[Unstoppable], None] | None = None
        self.queries: int = 0
        self._beyond = 0  # queries beyond the first of each call, so that a lone probe costs less
        self.seconds: float = 0.0
        self.low: float = float("inf")
        self.lost: int = 0  # losses that were not finite
        self._unseen: list[Any] = []
        self._losses = problem.losses_on_device if on_device else problem.losses
        self._stochastic = problem.stochastic
        self._last = budget  # the last query that may be made
        self._end: Exception | None = None  # what ended the run before its budget
        self.raised: BaseException | None = None  # the last end of the run that a call has raised
        self._refusals, self._refused_at = 0, 0  # calls in a row that raised, all at that query

    def __call__(self, probes: Sequence[Probe], batch: int | None = None) -> Losses:
        """Evaluate probes, which costs one query each.

        Args:
            probes: pairs (scale, direction), at least one.
            batch: number of a minibatch, 0 or above. Calls with equal numbers have the same
                minibatch, at the same price. By default the minibatch is a fresh one.

        Returns:
            One loss per probe.

        Raises:
            Unsuitable: `batch` is given, and the losses are noisy without minibatches.
        """
        try:
            count = len(probes)
        except TypeError:
            kind = type(probes).__name__
            raise self._refused(TypeError(f"evaluate takes a list of probes, not {kind}")) from None
        before = self.queries
        spent = before + count
        if not before < spent <= self._last:
            wrong = "evaluate was given no probes: a call takes at least one"
            reason = f"the next step needs {count} queries"
            raise self._refused(self._spent(reason) if count else ValueError(wrong))
        seed = 0
        if self._stochastic:
            seed = fold(self.seed, self.calls + 1) if batch is None else self._batch_seed(batch)
        began = perf_counter()
        try:
            losses = self._losses(probes, seed)
        except Diverged as error:
            raise self._refused(self._over(error)) from None
        except Exception as error:
            wrong = _wrong_probes(probes)  # the likelier cause, in the estimator's terms
            if (stop := self._refused(wrong or error)) is error:
                raise
            raise stop from error
        self.seconds += perf_counter() - began
        self.queries = spent
        if len(losses) != count:
            raise ValueError(f"the objective gave {len(losses)} losses for {count} probes")
        if count == 1:  # one probe per call is where time shows
            total = losses[0]
        else:
            self._beyond += count - 1
            total = sum(losses)
        if type(total) is not float and not isinstance(total, Real):
            self._look_later(total)
        elif total - total != 0.0:
            return self._not_finite(losses, self.ranks)
        scores = self._problem.probe_scores
        if scores is not None and (scores[0] if count == 1 else min(scores)) < self.low:
            self._lower(scores)
        return losses

    def _batch_seed(self, batch: int) -> int:
        """Return the seed of a minibatch by its number, which is not that of any call."""
        if not self._problem.has_batches:
            raise self._refused(
                Unsuitable("needs minibatches: the noise of these losses is no choice of examples")
            )
        return fold(self.seed, _BATCH, batch)

    @property
    def refused(self) -> int:
        """The number of calls in a row that have raised."""
        return self._refusals

    @property
    def calls(self) -> int:
        """The number of calls so far, of `evaluate` and of gradients."""
        return self.queries - self._beyond

    def _look_later(self, total: Any) -> None:
        """Check losses on a device together, as a look at them makes the host wait."""
        self._unseen.append(total)
        if len(self._unseen) < CHECKED:
            return
        total, calls = float(sum(self._unseen)), len(self._unseen)
        self._unseen.clear()
        if total - total != 0.0:
            raise self._over(Diverged(f"a loss of the last {calls} calls, by query {self.queries}, "
                                      f"was not finite"))  # fmt: skip

    def gradient(self) -> tuple[float, Sequence[Array]]:
        """Compute a gradient at the present point, which counts as one query.

        Returns:
            The loss, and the flat gradient of each block.

        Raises:
            Unsuitable: the objective has no gradient.
            BadInput: the estimator is not registered as first-order, and its runs would be compared
                with those of estimators that only ask for losses.
        """
        if not self.gradients:
            raise self._refused(BadInput("the estimator asks for a gradient: it must be registered "
                                         "with first_order=True"))  # fmt: skip
        if self.queries + 1 > self._last:
            raise self._refused(self._spent("the next step needs 1 query"))
        began = perf_counter()
        try:
            loss, gradients = self._problem.gradient(fold(self.seed, self.calls + 1))
        except Diverged as error:
            raise self._refused(self._over(error)) from None
        except Exception as error:
            if (stop := self._refused(error)) is error:
                raise
            raise stop from error
        self.seconds += perf_counter() - began
        self.queries += 1
        if loss - loss != 0.0:
            self._not_finite([loss], False)
        scores = self._problem.probe_scores
        if scores is not None and min(scores) < self.low:
            self._lower(scores)
        return loss, gradients

    def _lower(self, scores: Sequence[float]) -> None:
        self.low = min(scores)
        if self.low == -WORST:
            raise self._over(Diverged(f"a score was -inf by query {self.queries}"))
        if self.on_low is not None:
            try:
                self.on_low(scores)
            except Exception as end:
                self._over(end)
                raise

    def _not_finite(self, losses: Losses, ranks: bool) -> Losses:
        """Return the losses with WORST in place of NaN and infinity, or raise Diverged.

        Then the scores of points before the loss that ended the run count, and later ones do not.
        """
        wrong = [k for k, loss in enumerate(losses) if loss - loss != 0.0]
        ends = next((k for k in wrong if not ranks or losses[k] == -WORST), len(losses))
        self.lost += len(wrong)
        scores = self._problem.probe_scores
        if scores is not None:
            scores = [s if k < ends and s - s == 0.0 else WORST for k, s in enumerate(scores)]
            if min(scores) < self.low:
                self._lower(scores)
        if ends < len(losses):
            at = self.queries - len(losses) + ends + 1
            raise self._over(Diverged(f"the loss was {losses[ends]} at query {at}"))
        return [loss if loss - loss == 0.0 else WORST for loss in losses]

    def _over(self, end: Exception) -> Exception:
        """End the run: no further query is made."""
        self._end, self._last = end, self.queries
        self.raised = end
        return end

    def _spent(self, reason: str) -> BudgetExhausted:
        end = BudgetExhausted(reason)
        self.raised = self._end or end
        return end

    def _refused(self, error: Exception) -> BaseException:
        """Return the exception of a call without losses: `error`, or Unstoppable after many."""
        if self.queries > self._refused_at:
            self._refusals, self._refused_at = 0, self.queries
        self._refusals += 1
        error = self._end or error
        if self._refusals <= REFUSALS:
            return error
        stop = Unstoppable(
            f"{REFUSALS} calls of evaluate in a row raised, and the estimator went on: it must not "
            f"catch what evaluate raises ({type(error).__name__}: {error})"
        )
        if self._refusals > 2 * REFUSALS and self.abandon is not None:
            self.abandon(stop)
        self.raised = stop
        return stop


def oracle_of(
    estimator: object,
    problem: Problem,
    budget: int,
    seed: int,
    *,
    first_order: bool,
    on_low: Callable[[Sequence[float]], None] | None = None,
) -> Oracle:
    """Make the oracle of a run: it treats losses as the estimator states that it uses them.

    Args:
        estimator: see `zobench.Estimator` for the attributes that count.
        problem: a problem that has been started.
        budget: the number of queries of the run.
        seed: of all noise and minibatches.
        first_order: True if the estimator may call `gradient`.
        on_low: see `Oracle`.
    """
    on_device = getattr(estimator, "on_device", False)
    oracle = Oracle(problem, budget, seed, on_low, on_device=on_device)
    oracle.ranks, oracle.gradients = getattr(estimator, "ranks", False), first_order
    return oracle


def _wrong_probes(probes: Sequence[Any]) -> TypeError | None:
    """Return the error for probes that are not pairs (scale, direction); None if they are."""
    for probe in probes:
        if not isinstance(probe, tuple | list) or len(probe) != 2:
            return TypeError(f"a probe is a pair (scale, direction), not {type(probe).__name__}")
        if not callable(getattr(probe[1], "expand", None)) or hasattr(probe[1], "shape"):
            return TypeError(
                f"the direction of a probe is a {type(probe[1]).__name__}; write a direction of "
                "zobench.core.directions, such as Noise(seed), or Dense for an array of your own"
            )
    return None
