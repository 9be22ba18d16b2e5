"""Many runs at once, in workers: what is missing is made, what is made is kept."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from time import monotonic
from typing import IO

from zobench.errors import BadInput, Missing
from zobench.harness.child import IN_WORKER, Garbled
from zobench.harness.environment import environment
from zobench.harness.failures import one_line
from zobench.harness.handle import Worker
from zobench.harness.plan import RunSpec
from zobench.harness.result import NAN, RunResult
from zobench.harness.stopping import Interrupted, stoppable
from zobench.harness.store import Store

LOG = "workers.log"  # in the results folder: what the runs printed
COMMIT = 0.05  # seconds between two commits of results
GLANCE = 0.25  # seconds between two looks at limits
SHOWN = 3  # runs that are named
DEATHS = 3  # of workers in a row, before any run begins, until a run is blamed


@dataclass(frozen=True)
class Event:
    """What happened to a run: "started", "progress" or "finished"."""

    kind: str
    spec: RunSpec
    queries: int = 0
    best: float = NAN  # the best score so far
    result: RunResult | None = None  # of a finished run
    made: int = 0  # runs finished, those of earlier commands included
    total: int = 0  # runs asked for


def run_all(
    specs: Sequence[RunSpec],
    store: Store,
    jobs: int = 1,
    on_event: Callable[[Event], None] | None = None,
    suite_file: str = "",
) -> dict[str, int]:
    """Make the runs that `store` lacks, `jobs` at a time; how many ended with each status.

    The entry "resumed" counts those that earlier commands have settled. Two specs of one key are
    one run. `suite_file`: of a suite of the user's own. Raises Interrupted on Ctrl-C (a second one
    does not wait), BadInput when results cannot be stored, Missing when in the end not all are;
    what was finished is kept.
    """
    if IN_WORKER in os.environ:
        raise BadInput(
            "a file that a run loads starts runs itself: put that under if __name__ == '__main__':"
        )
    if jobs < 1:
        raise BadInput(f"jobs must be at least 1, not {jobs}")
    unique = {spec.key: spec for spec in specs}
    threads = max((spec.problem.threads for spec in unique.values()), default=1)
    with stoppable() as stopped:  # from here on: to describe the machine may take seconds
        store.begin(specs, environment(threads, jobs), suite_file)
        done = store.done(unique)
        pool = _Pool([s for key, s in unique.items() if key not in done], store, on_event)
        pool.made, pool.total = len(done), len(unique)
        if pool.queue:
            pool.run(jobs, stopped)
            _check_all_made(unique, store)
    return {"resumed": len(done), **pool.counts}


def _check_all_made(wanted: Mapping[str, RunSpec], store: Store) -> None:
    lost = sorted(set(wanted) - store.made())
    if lost:
        some = ", ".join(
            f"{wanted[key].estimator.text} on {wanted[key].problem.id}, "
            f"run {wanted[key].repetition + 1}"
            for key in lost[:SHOWN]
        )
        more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
        raise Missing(
            f"{len(lost)} of {len(wanted)} runs are not in {store.folder}: {some}{more}; "
            "the same command makes them"
        )


class _Pool:
    def __init__(
        self, todo: list[RunSpec], store: Store, on_event: Callable[[Event], None] | None
    ) -> None:
        self.queue, self.store = deque(todo), store
        self.on_event = on_event or (lambda event: None)
        self.workers: list[Worker] = []
        self.unsaved: list[RunResult] = []
        self.saved_at = monotonic()
        self.counts: Counter[str] = Counter()
        self.garbled: set[str] = set()  # keys of runs during which a message was
        self.made = self.total = self.deaths = 0

    def run(self, jobs: int, stopped: Callable[[], int]) -> None:
        path = self.store.folder / LOG
        try:
            log = path.open("ab")
        except OSError as error:
            raise BadInput(f"cannot write {str(path)!r}: {error.strerror}") from error
        finished = False
        try:
            while self.queue or any(worker.given for worker in self.workers):
                if signal := stopped():
                    text = f"stopped: {self.made} of {self.total} runs are finished and kept; "
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
        """A run for every worker that has none, one in advance where runs are short."""
        if self.queue:
            threads = self.queue[0].problem.threads
            for worker in [w for w in self.workers if not w.given and w.threads != threads]:
                self.workers.remove(worker)
                worker.close(at_once=False)
        alive = [worker for worker in self.workers if worker.verdict is None]
        if self.queue and len(self.workers) < jobs and all(worker.given for worker in alive):
            self.workers.append(Worker(self.queue[0].problem.threads, log))
            alive.append(self.workers[-1])
        for worker in alive:
            while self.queue and worker.takes(self.queue[0]):
                if not worker.give(self.queue[0]):
                    break
                self.queue.popleft()

    def _listen(self) -> None:
        """Wait for messages, a limit or the time to save; deal with each."""
        now = monotonic()
        nearest = min(worker.deadline for worker in self.workers)
        pause = min(COMMIT if self.unsaved else GLANCE, max(0.0, nearest - now) + 0.01)
        ready = set(wait([worker.socket for worker in self.workers], pause))
        for worker in list(self.workers):
            if worker.socket in ready or worker.ended() is not None:
                self._hear(worker)
            elif worker.most < float("inf") or worker.deadline < monotonic():
                worker.enforce()

    def _hear(self, worker: Worker) -> None:
        try:
            for message in worker.take():
                self._tell(*message)
        except EOFError:
            self._bury(worker)
        except Garbled as fault:  # perhaps of the run before: this one gets a second chance
            key = worker.given[0].key if worker.given else ""
            first = key not in self.garbled
            self.garbled.add(key)
            worker.condemn("failed", f"killed: {fault}")
            self._bury(worker, blamed=not first)

    def _tell(self, spec: RunSpec, kind: str, result: RunResult | None) -> None:
        if kind == "B":
            self.on_event(Event("started", spec, made=self.made, total=self.total))
        elif kind == "P" and result is not None:
            scores = [row[2] for row in result.trace] + [result.best_score]
            best = min((s for s in scores if s == s), default=NAN)
            event = Event("progress", spec, result.queries, best, None, self.made, self.total)
            self.on_event(event)
        elif kind == "F" and result is not None:
            self.deaths = 0
            self._finish(spec, result)

    def _finish(self, spec: RunSpec, result: RunResult) -> None:
        self.unsaved.append(result)
        self.counts[result.status] += 1
        self.made += 1
        best = min((s for s in (result.best_score, result.final_score) if s == s), default=NAN)
        event = Event("finished", spec, result.queries, best, result, self.made, self.total)
        self.on_event(event)

    def _bury(self, worker: Worker, blamed: bool = True) -> None:
        """A worker has died: record its run, give the others back, let a new one take its place."""
        status, reason = worker.end()
        self.workers.remove(worker)
        worker.close(at_once=True)
        begun, orderly = worker.building, worker.process.returncode == 0
        told = begun or worker.verdict is not None
        self.deaths += not told and not orderly
        if worker.given and blamed and (told or self.deaths >= DEATHS):
            spec = worker.given.popleft()
            if not told:
                reason = f"no worker lived to begin it ({reason}); see {LOG}"
            result = worker.partial or RunResult(spec.key, status)
            result.status, result.reason = status, reason
            self.deaths = DEATHS - 1  # if the next worker dies so too, its run is blamed at once
            self._finish(spec, result)
        self.queue.extendleft(reversed(worker.given))

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
        """One result that cannot be stored spoils no other."""
        try:
            self.store.add([result])
        except (ValueError, TypeError, OverflowError, sqlite3.Error) as error:
            if isinstance(error, BadInput):
                raise
            reason = one_line(f"its result cannot be stored: {error}")
            self.store.add([RunResult(result.key, "failed", reason)])
