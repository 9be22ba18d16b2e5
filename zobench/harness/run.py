"""One run: a problem, an estimator, a budget and a seed give a result, however the run ends.

Scoring counts neither for the budget nor for the clock. A failed run is a result too, with its
trace.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from zobench.core.estimator import Finished
from zobench.core.oracle import BudgetExhausted, Diverged, Oracle, Unstoppable, oracle_of
from zobench.core.problem import Problem
from zobench.core.seeds import fold
from zobench.errors import BadInput
from zobench.harness.elements import entries, load_packages, seed_generators, warm_noise
from zobench.harness.failures import LastTarget, missing_package, not_ours, outcome
from zobench.harness.hits import Hits
from zobench.harness.limits import Limits, OutOfTime, build_limit
from zobench.harness.meters import Memory
from zobench.harness.plan import RunSpec
from zobench.harness.result import NAN, RunResult, TraceRow
from zobench.harness.state_bytes import state_bytes

START, NOISE = 0, 1  # folded into the problem's seed
IDLE = 100  # steps in a row without a query, after which a run fails

Progress = Callable[[int, float], None]  # (queries, best score so far)
Phase = Callable[[float | None, bool], None]  # begins a part: seconds at most, True if it builds


def execute(spec: RunSpec, progress: Progress | None = None) -> RunResult:
    """Make the run in this process, without limits; `progress` is called at every score."""
    return Run(spec, progress=progress).execute()


class Run:
    """A run in progress; `result` can be called at any time."""

    abandon: Callable[[RunResult], None] | None = None  # ends the process if nothing else does

    def __init__(
        self, spec: RunSpec, isolated: bool = False, progress: Progress | None = None
    ) -> None:
        """`isolated`: True if this process makes no other run, so that its peak memory counts."""
        self.spec, self.isolated, self.progress = spec, isolated, progress
        self.trace: list[TraceRow] = []
        self.facts: dict[str, Any] = {}
        self.scores: dict[str, float] = {}
        self.final = NAN
        self.score_name = ""
        self.build_seconds, self.score_seconds = NAN, 0.0
        self.dimension: int | None = None
        self.first_order = False
        self.zero: float | None = None  # when the clock started; scoring moves it on
        self.seconds = 0.0  # on the clock, once it has stopped
        self.oracle: Oracle | None = None
        self.raised: Exception | None = None  # the end of the run that a score declared
        self.is_built = False  # True once the objective is: from then on the estimator's code runs
        self.memory: Memory | None = None
        self.state_bytes = NAN
        self.hits = Hits(spec.problem.targets, spec.problem.scored)
        self.started = datetime.now(UTC).isoformat(timespec="milliseconds")

    def execute(
        self,
        limits: Limits | None = None,
        phase: Phase = lambda seconds, is_building: None,
    ) -> RunResult:
        """Build, step until something ends the run, and score the end.

        Only KeyboardInterrupt is raised, and only without `limits`: with limits the run has a
        process of its own, which Ctrl-C does not reach.
        """
        missing = ""
        try:
            with limits or nullcontext():
                phase(build_limit(self.spec), True)
                began = perf_counter()
                self._build()
                self.build_seconds = perf_counter() - began
                phase(self.spec.problem.time_limit, False)
                self._work()
        except BaseException as error:
            if limits is None and isinstance(error, KeyboardInterrupt):
                raise
            error = self._true(error, limits)
            missing = missing_package(error)
            queries = self.oracle.queries if self.oracle else 0
            status, reason = outcome(error, queries, self.spec.problem.budget)
        result = self.result(status, reason)
        result.missing = missing
        return result

    def _build(self) -> None:
        objective, estimator = entries(self.spec)
        self.first_order = estimator.first_order
        load_packages(objective)
        load_packages(estimator)
        warm_noise()
        seed = self.spec.problem_seed
        seed_generators(seed)
        self.memory = Memory(self.isolated)
        self.problem = objective.build(self.spec.settings)
        if not isinstance(self.problem, Problem):
            raise BadInput(
                f"{objective.name} made {_described(self.problem)}, which is not a problem: return "
                "an instance of zobench.Problem, such as zobench.VectorProblem(f, start)"
            )
        self.score_name = self.problem.score_name
        self.params = self.problem.start(fold(seed, START))
        self.dimension = self.params.size
        estimator.check_size(self.params.size)
        self.facts = self.problem.describe()
        self.hits.scored = self.hits.scored or self.problem.scored
        self.scores = self.problem.score()  # of x0, before the memory of the estimator counts
        self.memory.built()
        self.problem.warm_up()
        self.memory.evaluated()
        self.is_built = True
        self.estimator = estimator.build(self.spec.estimator.settings)
        if not (hasattr(self.estimator, "start") and hasattr(self.estimator, "step")):
            made = _described(self.estimator)
            raise BadInput(f"{estimator.name} made {made}, which has no start and step")
        self.oracle = oracle_of(
            self.estimator,
            self.problem,
            self.spec.problem.budget,
            fold(seed, NOISE),
            first_order=self.first_order,
            on_low=self._low,
        )
        self.oracle.abandon = self._abandon

    def _work(self) -> None:
        """Step until an exception ends the run."""
        oracle, step = self.oracle, self.estimator.step
        assert oracle is not None
        seed_generators(self.spec.estimator_seed)
        self.zero = perf_counter()
        try:
            self.estimator.start(self.params, self.spec.estimator_seed)
            self._record(0, 0.0)
            due, queries, idle = 1, 0, 0
            while True:
                step(oracle)
                if oracle.queries > queries:
                    queries, idle = oracle.queries, 0
                elif (idle := idle + 1) == IDLE:
                    what = "caught what it raises" if oracle.refused else "never called it"
                    raise BadInput(f"{IDLE} steps in a row had no loss of evaluate: they {what}")
                if queries >= due:
                    due = self._score()
        except (BudgetExhausted, Finished, Diverged) as end:
            if isinstance(true := self._true(end), BadInput):
                raise true from end
            self.raised = self._last_score(true)
            raise self.raised from None
        finally:
            self._stop()
            with suppress(Exception):  # attributes of a user's class may raise
                self.state_bytes = float(state_bytes(self.estimator))
            getattr(self.estimator, "close", lambda: None)()

    def _true(self, error: BaseException, limits: Limits | None = None) -> Any:
        """Return the end that zobench declared, or a failure if code of an element raised it.

        BudgetExhausted and similar errors end a run if a limit, a score or `evaluate` declared the
        end before; the first declaration counts, whoever raises the error.
        """
        if isinstance(error, OutOfTime):
            return (limits and limits.raised) or not_ours(error)
        if not isinstance(error, BudgetExhausted | Diverged | Unstoppable):
            return error
        if not self.is_built and isinstance(error, Diverged):
            return error  # which the objective may declare
        return self.raised or (self.oracle and self.oracle.raised) or not_ours(error)

    def _stop(self) -> None:
        """Stop the clock and the memory meter: the steps are over."""
        assert self.memory is not None
        self.seconds, self.zero = self._clock(), None
        self.memory.stop()

    def _last_score(self, end: Exception) -> Exception:
        """Score the point where the run ended, and return how it ended after all."""
        assert self.oracle is not None
        if self._is_lost():
            return end  # the start, or the score itself, has diverged
        if self.oracle.lost == self.oracle.queries > 0 and not isinstance(end, Diverged):
            end = Diverged(f"none of {self.oracle.queries} losses was finite")
        if not (isinstance(end, LastTarget) and self.trace[-1][0] == self.oracle.queries):
            try:
                self._score()
            except LastTarget as reached:
                end = reached
            except Diverged as diverged:
                return end if isinstance(end, LastTarget) else diverged
        finite = any(math.isfinite(score) for row in self.trace for score in row[2:])
        if not finite and not isinstance(end, Diverged):
            end = Diverged(f"none of {len(self.trace)} scores was finite")
        self._stop()
        self.facts = self.problem.describe()
        began = perf_counter()
        finish = getattr(self.problem, "finish", None)  # costly scores, once at the end
        self.scores = self.scores | (finish() if finish else {})
        self.score_seconds += perf_counter() - began
        return end

    def _clock(self) -> float:
        return self.seconds if self.zero is None else perf_counter() - self.zero

    def _score(self) -> int:
        """Score the point, off the clock; return the number of queries at which to score again."""
        assert self.oracle is not None
        assert self.memory is not None
        assert self.zero is not None
        self.params.flush()
        paused = perf_counter()
        self.memory.pause()
        try:
            self.scores = self.problem.score()
            self._record(self.oracle.queries, paused - self.zero)
        except Diverged as end:
            self.raised = end
            raise
        finally:
            self.memory.resume()
            off = perf_counter() - paused
            self.zero += off
            self.score_seconds += off
        ratio = self.spec.problem.score_ratio or self.problem.score_ratio
        return max(self.oracle.queries + 1, math.ceil(self.oracle.queries * ratio))

    def _record(self, queries: int, seconds: float) -> None:
        """Record the score that was just taken. Raises Diverged, or LastTarget."""
        assert self.oracle is not None
        self.final = score = float(self.scores[self.problem.score_name])
        if self._is_lost():
            text = f"the {self.problem.score_name} was {score} after {queries} queries"
            self.raised = Diverged(text)
            raise self.raised
        if self.trace and self.trace[-1][0] == queries:
            self.trace.pop()
        low = self.oracle.low
        self.trace.append((queries, seconds, score, low if math.isfinite(low) else NAN))
        if self.progress is not None:
            self.progress(queries, min(low, score))
        has_scores = self.problem.probe_scores is not None or self.first_order
        if queries and self.hits.scored == "best" and not has_scores:
            raise BadInput(
                'the objective knows no scores of evaluated points: set scored = "current"'
            )
        if self.hits.reach("current", score, queries, seconds):
            self.raised = LastTarget()
            raise self.raised

    def _is_lost(self) -> bool:
        """Return True if the score of the point ends the run; not all do if the estimator ranks."""
        assert self.oracle is not None
        ends = self.final == -math.inf or not self.oracle.ranks
        return ends and not math.isfinite(self.final)

    def _abandon(self, stop: Unstoppable) -> None:
        if self.abandon is not None:
            self.abandon(self.result(*outcome(stop, 1, 1)))

    def _low(self, scores: Sequence[float]) -> None:
        """Record the hits of a new best evaluated point, somewhere in the call just made."""
        oracle = self.oracle
        assert oracle is not None
        if oracle.low <= self.hits.next_target:
            before = oracle.queries - len(scores)
            if self.hits.scan(scores, before, self._clock()):
                raise LastTarget

    def result(self, status: str, reason: str) -> RunResult:
        """Return the result so far."""
        seconds, oracle, memory = self._clock(), self.oracle, self.memory
        result = RunResult(self.spec.key, status, reason, started=self.started)
        result.dimension, result.first_order = self.dimension, self.first_order
        result.describe, result.scores, result.final_score = self.facts, self.scores, self.final
        result.scored, result.hits, result.trace = self.hits.scored, self.hits.rows, self.trace
        result.score_name = self.score_name
        result.build_seconds, result.score_seconds = self.build_seconds, self.score_seconds
        if oracle is not None:
            result.measured(oracle, self.problem, seconds)
        if memory is not None:
            result.peak_memory, result.memory_ratio = memory.peak, memory.ratio
            result.memory_kind = memory.kind
        result.state_bytes = self.state_bytes
        return result


def _described(made: object) -> str:
    """Put into words what a factory has made."""
    if isinstance(made, type):
        return f"the class {made.__name__}"
    return f"a value of type {type(made).__name__}"
