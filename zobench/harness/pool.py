"""A pool of workers that make the runs which a store lacks, and store each when it ends."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from time import monotonic
from typing import IO, Any

from zobench.errors import BadInput, Missing, one_line
from zobench.harness.child import IN_WORKER, Garbled
from zobench.harness.environment import environment
from zobench.harness.handle import Worker
from zobench.harness.plan import RunSpec
from zobench.harness.result import NAN, RunResult
from zobench.harness.stopping import Interrupted, stoppable
from zobench.harness.store import Store

LOG = "workers.log"  # in the results folder: what the runs printed
COMMIT = 0.05  # seconds between two commits of results
GLANCE = 0.25  # seconds between two checks of limits
SHOWN = 3  # runs that an error names
DEATHS = 3  # of workers in a row before a run began, until a run is blamed


@dataclass(frozen=True, kw_only=True)
class Event:
    """A run has started, made progress, or finished."""

    kind: str  # "started", "progress" or "finished"
    spec: RunSpec
    queries: int = 0
    best: float = NAN  # the best score so far
    result: RunResult | None = None  # of a finished run
    n_made: int = 0  # runs finished, those of earlier commands included
    total: int = 0  # runs of the plan


def run_all(
    specs: Sequence[RunSpec],
    store: Store,
    jobs: int = 1,
    on_event: Callable[[Event], None] | None = None,
    suite_file: str = "",
) -> dict[str, int]:
    """Make the runs that a store lacks; runs that finished stay, whatever happens later.

    Args:
        specs: the runs; two of one key are one run.
        store: takes the results.
        jobs: runs at the same time.
        on_event: is called for each event.
        suite_file: the path of a suite of the user's own.

    Returns:
        How many runs ended with each status; "resumed" counts those that were stored before.

    Raises:
        Interrupted: on Ctrl-C; a second one does not wait.
        BadInput: results cannot be stored.
        Missing: not all results are stored in the end.
    """
    if IN_WORKER in os.environ:
        raise BadInput(
            "a file that a run loads starts runs itself: put that under if __name__ == '__main__':"
        )
    if jobs < 1:
        raise BadInput(f"jobs must be at least 1, not {jobs}")
    unique = {spec.key: spec for spec in specs}
    threads = max((spec.problem.threads for spec in unique.values()), default=1)
    with stoppable() as stop_signal:  # already here: describing the machine may take seconds
        store.begin(specs, environment(threads, jobs), suite_file)
        done = store.done(unique)
        pool = _Pool([s for key, s in unique.items() if key not in done], store, on_event)
        pool.n_made, pool.total = len(done), len(unique)
        if pool.queue:
            pool.run(jobs, stop_signal)
            _check_all_made(unique, store)
    return {"resumed": len(done), **pool.counts}


def _check_all_made(planned: Mapping[str, RunSpec], store: Store) -> None:
    absent = sorted(set(planned) - store.keys())
    if absent:
        names = ", ".join(
            f"{planned[key].estimator.text} on {planned[key].problem.id}, "
            f"run {planned[key].repetition + 1}"
            for key in absent[:SHOWN]
        )
        more = f" and {len(absent) - SHOWN} more" if len(absent) > SHOWN else ""
        raise Missing(
            f"{len(absent)} of {len(planned)} runs are not in {store.folder}: {names}{more}; "
            "the same command makes them"
        )


class _Pool:
    def __init__(
        self, specs: list[RunSpec], store: Store, on_event: Callable[[Event], None] | None
    ) -> None:
        self.queue, self.store = deque(specs), store
        self.on_event = on_event or (lambda event: None)
        self.workers: list[Worker] = []
        self.unsaved: list[RunResult] = []
        self.saved_at = monotonic()
        self.counts: Counter[str] = Counter()
        self.garbled: set[str] = set()  # keys of runs with a garbled message
        self.n_made = self.total = self.deaths = 0

    def run(self, jobs: int, stop_signal: Callable[[], int]) -> None:
        path = self.store.folder / LOG
        try:
            log = path.open("ab")
        except OSError as error:
            raise BadInput(f"cannot write {str(path)!r}: {error.strerror}") from error
        finished = False
        try:
            while self.queue or any(worker.queue for worker in self.workers):
                if signal := stop_signal():
                    text = f"stopped: {self.n_made} of {self.total} runs are finished and kept; "
                    raise Interrupted(text + "the same command goes on from there", signal)
                self._feed(min(jobs, self.total), log)
                self._listen()
                if monotonic() - self.saved_at > COMMIT:
                    self._save()
            finished = True
        finally:
            for worker in self.workers:
                worker.close(at_once=not finished)
            log.close()
            self._save()
            with suppress(OSError):  # somebody has removed the folder
                if not path.stat().st_size:
                    path.unlink()

    def _feed(self, jobs: int, log: IO[bytes]) -> None:
        """Give each idle worker a run; workers with short runs get one more in advance."""
        if self.queue:
            threads = self.queue[0].problem.threads
            for worker in [w for w in self.workers if not w.queue and w.threads != threads]:
                self.workers.remove(worker)
                worker.close(at_once=False)
        living = [worker for worker in self.workers if worker.verdict is None]
        if self.queue and len(self.workers) < jobs and all(worker.queue for worker in living):
            self.workers.append(Worker(self.queue[0].problem.threads, log))
            living.append(self.workers[-1])
        for worker in living:
            while self.queue and worker.takes(self.queue[0]):
                if not worker.give(self.queue[0]):
                    break
                self.queue.popleft()

    def _listen(self) -> None:
        """Wait for messages, a limit or the time to save, and handle them."""
        now = monotonic()
        nearest = min(worker.deadline for worker in self.workers)
        pause = min(COMMIT if self.unsaved else GLANCE, max(0.0, nearest - now) + 0.01)
        ready = set(wait([worker.socket for worker in self.workers], pause))
        for worker in list(self.workers):
            if worker.socket in ready or worker.ended() is not None:
                self._receive(worker)
            elif worker.memory_limit < float("inf") or worker.deadline < monotonic():
                worker.enforce()

    def _receive(self, worker: Worker) -> None:
        try:
            for message in worker.take():
                self._handle(*message)
        except EOFError:
            self._bury(worker)
        except Garbled as fault:  # perhaps of the previous run: this one gets a second chance
            key = worker.queue[0].key if worker.queue else ""
            is_first = key not in self.garbled
            self.garbled.add(key)
            worker.condemn("failed", f"killed: {fault}")
            self._bury(worker, blamed=not is_first)

    def _handle(self, spec: RunSpec, kind: str, result: RunResult | None) -> None:
        if kind == "B":
            self.on_event(self._event("started", spec))
        elif kind == "P" and result is not None:
            scores = [row[2] for row in result.trace] + [result.best_score]
            best = min((s for s in scores if s == s), default=NAN)
            self.on_event(self._event("progress", spec, queries=result.queries, best=best))
        elif kind == "F" and result is not None:
            self.deaths = 0
            self._finish(spec, result)

    def _finish(self, spec: RunSpec, result: RunResult) -> None:
        self.unsaved.append(result)
        self.counts[result.status] += 1
        self.n_made += 1
        best = min((s for s in (result.best_score, result.final_score) if s == s), default=NAN)
        queries = result.queries
        event = self._event("finished", spec, queries=queries, best=best, result=result)
        self.on_event(event)

    def _event(self, kind: str, spec: RunSpec, **facts: Any) -> Event:
        return Event(kind=kind, spec=spec, n_made=self.n_made, total=self.total, **facts)

    def _bury(self, worker: Worker, blamed: bool = True) -> None:
        """Record the run of a worker that has died, and put its other runs back into the queue."""
        status, reason = worker.end()
        self.workers.remove(worker)
        worker.close(at_once=True)
        is_orderly = worker.process.returncode == 0
        is_of_run = worker.has_begun or worker.verdict is not None
        self.deaths += not is_of_run and not is_orderly
        if worker.queue and blamed and (is_of_run or self.deaths >= DEATHS):
            spec = worker.queue.popleft()
            if not is_of_run:
                reason = f"no worker lived to begin it ({reason}); see {LOG}"
            result = worker.partial or RunResult(spec.key, status)
            result.status, result.reason = status, reason
            self.deaths = DEATHS - 1  # the run of the next worker that dies so is blamed at once
            self._finish(spec, result)
        self.queue.extendleft(reversed(worker.queue))

    def _save(self) -> None:
        batch, self.unsaved = self.unsaved, []
        self.saved_at = monotonic()
        try:
            if batch:
                self.store.add(batch)
            else:
                self.store.check_place()
        except (ValueError, TypeError, OverflowError, sqlite3.Error) as error:
            if isinstance(error, BadInput):
                raise
            for result in batch:
                self._save_alone(result)

    def _save_alone(self, result: RunResult) -> None:
        """Store one result, so that one which cannot be stored spoils no other."""
        try:
            self.store.add([result])
        except (ValueError, TypeError, OverflowError, sqlite3.Error) as error:
            if isinstance(error, BadInput):
                raise
            reason = one_line(f"its result cannot be stored: {error}")
            self.store.add([RunResult(result.key, "failed", reason)])
