"""A crew of processes that divide the jobs of a call. Each has its own environment."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from zobench.core.oracle import Diverged
from zobench.errors import BadInput, Unsuitable

PRESERVED = (Diverged, Unsuitable, BadInput, MemoryError)  # raised in the parent with their type


class Crew:
    """Processes such that `crew(jobs)` is [work(job) for job in jobs].

    Job k runs in process k mod `count`. `hire()` makes `work` in each process. An episode is a pure
    function of its job, so the results do not depend on the number of processes. The processes end
    when this one ends.
    """

    def __init__(self, hire: Callable[[], Callable[[Any], Any]], count: int) -> None:
        context = multiprocessing.get_context("fork")
        self.owner: int = os.getpid()
        self.members: list[tuple[Any, Connection]] = []
        for _ in range(count):
            parent_end, child_end = context.Pipe()
            to_close = [parent_end, *(pipe for _, pipe in self.members)]
            process = context.Process(target=_serve, args=(hire, child_end, to_close), daemon=True)
            with warnings.catch_warnings():  # a fork of a process with threads, which only compute
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            child_end.close()
            self.members.append((process, parent_end))

    def __call__(self, jobs: Sequence[Any]) -> list[Any]:
        """Return the results in the order of the jobs. Raises the first job's error, if any."""
        count = len(self.members)
        for k, (_, pipe) in enumerate(self.members):
            pipe.send(jobs[k::count])
        results: list[Any] = [None] * len(jobs)
        for k, (process, pipe) in enumerate(self.members):
            wait([pipe])  # unlike recv, the alarm of a time limit can interrupt it
            try:
                results[k::count] = pipe.recv()
            except EOFError:
                process.join()
                raise RuntimeError(
                    f"a process with an environment died, exit status {process.exitcode}"
                ) from None
        for result in results:
            if isinstance(result, _FailedJob):
                raise result.error()
        return results

    def close(self) -> None:
        """End the processes; unfinished jobs are lost. Does nothing in a fork of the owner."""
        if os.getpid() != self.owner:
            return
        for process, pipe in self.members:
            pipe.close()
            process.terminate()
        for process, _ in self.members:
            process.join()
        self.members = []


class _FailedJob:
    def __init__(self, error: Exception) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        line = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})"
        self.kind = next((kind for kind in PRESERVED if isinstance(error, kind)), RuntimeError)
        name = "" if type(error) is RuntimeError else f"{type(error).__name__}: "
        self.text = str(error) if self.kind in PRESERVED else f"{name}{error}{line}"

    def error(self) -> Exception:
        return self.kind(self.text)


def _serve(
    hire: Callable[[], Callable[[Any], Any]], pipe: Connection, to_close: Sequence[Connection]
) -> None:
    """Do jobs until the other end of the pipe closes.

    `to_close`: the parent's ends of pipes, of which this process must not hold copies.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    for other in to_close:
        other.close()
    work: Callable[[Any], Any] | None = None
    while True:
        try:
            jobs = pipe.recv()
        except (EOFError, OSError):
            return
        results: list[Any] = []
        for job in jobs:
            try:
                work = work or hire()
                results.append(work(job))
            except Exception as error:
                results.append(_FailedJob(error))
        pipe.send(results)
