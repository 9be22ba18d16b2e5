"""Many runs at once, in workers: what is missing is made, what is made is kept."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from time import monotonic
from typing import IO

from zobench.errors import BadInput
from zobench.harness.environment import environment, threads_each
from zobench.harness.handle import IN_WORKER, Worker
from zobench.harness.plan import RunSpec
from zobench.harness.result import NAN, RunResult
from zobench.harness.stopping import Interrupted, stoppable
from zobench.harness.store import Store

LOG = "workers.log"  # in the results folder: what the runs printed
COMMIT = 0.05  # seconds between two commits of results
GLANCE = 0.25  # seconds between two looks at limits
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
) -> dict[str, int]:
    """Make the runs that `store` lacks, `jobs` at a time; how many ended with each status.

    The entry "resumed" counts those that earlier commands have settled. Two specs of one key are
    one run. Raises Interrupted on Ctrl-C (a second one does not wait), BadInput when results
    cannot be stored; what was finished is kept.
    """
    if IN_WORKER in os.environ:
        raise BadInput(
            "a file that a run loads starts runs itself: put that under if __name__ == '__main__':"
        )
    if jobs < 1:
        raise BadInput(f"jobs must be at least 1, not {jobs}")
    threads = threads_each(jobs)
    unique = {spec.key: spec for spec in specs}
    with stoppable() as stopped:  # from here on: to describe the machine may take seconds
        store.begin(specs, environment(threads, jobs))
        done = store.done(unique)
        pool = _Pool([s for key, s in unique.items() if key not in done], store, threads, on_event)
        pool.made, pool.total = len(done), len(unique)
        if pool.queue:
            pool.run(jobs, stopped)
    return {"resumed": len(done), **pool.counts}


class _Pool:
    def __init__(
        self,
        todo: list[RunSpec],
        store: Store,
        threads: int,
        on_event: Callable[[Event], None] | None,
    ) -> None:
        self.queue, self.store, self.threads = deque(todo), store, threads
        self.on_event = on_event or (lambda event: None)
        self.workers: list[Worker] = []
        self.unsaved: list[RunResult] = []
        self.saved_at = monotonic()
        self.counts: Counter[str] = Counter()
        self.made = self.total = self.deaths = 0

    def run(self, jobs: int, stopped: Callable[[], bool]) -> None:
        path = self.store.folder / LOG
        try:
            log = path.open("ab")
        except OSError as error:
            raise BadInput(f"cannot write {str(path)!r}: {error.strerror}") from error
        finished = False
        try:
            while self.queue or any(worker.given for worker in self.workers):
                if stopped():
                    text = f"stopped: {self.made} of {self.total} runs are finished and kept; "
                    raise Interrupted(text + "the same command goes on from there")
                self._feed(min(jobs, self.total), log)
                self._listen()
                if monotonic() - self.saved_at > COMMIT:
                    self._save()
            finished = True
        finally:
            for worker in self.workers:
                worker.close(at_once=not finished)
            log.close()
            if path.is_file() and not path.stat().st_size:
                path.unlink()
            self._save()

    def _feed(self, jobs: int, log: IO[bytes]) -> None:
        """A run for every worker that has none, one in advance where runs are short."""
        alive = [worker for worker in self.workers if worker.verdict is None]
        if self.queue and len(self.workers) < jobs and all(worker.given for worker in alive):
            self.workers.append(Worker(self.threads, log))
            alive.append(self.workers[-1])
        for worker in alive:
            while self.queue and len(worker.given) < 1 + worker.quick:
                if not worker.give(self.queue[0]):
                    break
                self.queue.popleft()

    def _listen(self) -> None:
        """Wait for messages, a limit or the time to save; deal with each."""
        now = monotonic()
        nearest = min(worker.deadline for worker in self.workers)
        pause = min(COMMIT if self.unsaved else GLANCE, max(0.0, nearest - now) + 0.01)
        ready = set(wait([worker.connection for worker in self.workers], pause))
        for worker in list(self.workers):
            if worker.connection in ready:
                spec = worker.given[0] if worker.given else None
                message = worker.take()
                if message is None:
                    self._bury(worker)
                elif spec is not None:
                    self._tell(spec, *message)
            elif worker.most < float("inf") or worker.deadline < monotonic():
                worker.enforce()

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

    def _bury(self, worker: Worker) -> None:
        """A worker has died: record its run, give the others back, let a new one take its place."""
        status, reason = worker.ended()
        self.workers.remove(worker)
        worker.close(at_once=True)
        begun, orderly = worker.building, worker.process.returncode == 0
        self.deaths += not begun and not orderly
        if worker.given and (begun or self.deaths >= DEATHS):
            spec = worker.given.popleft()
            if not begun:
                reason = f"no worker lived to begin it ({reason}); see {LOG}"
            result = worker.partial or RunResult(spec.key, status)
            result.status, result.reason = status, reason
            self.deaths = DEATHS - 1  # if the next worker dies so too, its run is blamed at once
            self._finish(spec, result)
        self.queue.extendleft(reversed(worker.given))

    def _save(self) -> None:
        batch, self.unsaved = self.unsaved, []
        self.saved_at = monotonic()
        if batch:
            self.store.add(batch)
        else:
            self.store.check_place()
