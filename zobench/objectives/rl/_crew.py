"""Crew: processes that share out the jobs of a call. Each has an environment of its own."""

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

KNOWN = (Diverged, Unsuitable, BadInput, MemoryError)  # errors that stay what they are on their way


class Crew:
    """`crew(jobs)` is [work(job) for job in jobs], job k in process k mod `count`.

    `hire()` makes `work` in each process. An episode is a pure function of its job, so who does it
    shows in no bit. The processes end with this one.
    """

    def __init__(self, hire: Callable[[], Callable[[Any], Any]], count: int) -> None:
        context = multiprocessing.get_context("fork")
        self.owner = os.getpid()
        self.members: list[tuple[Any, Connection]] = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            others = [ours, *(line for _, line in self.members)]
            process = context.Process(target=_serve, args=(hire, theirs, others), daemon=True)
            with warnings.catch_warnings():  # a fork of many threads: ours only compute
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            theirs.close()
            self.members.append((process, ours))

    def __call__(self, jobs: Sequence[Any]) -> list[Any]:
        """The results in the order of the jobs. Raises the error of the first job that failed."""
        count = len(self.members)
        for k, (_, line) in enumerate(self.members):
            line.send(jobs[k::count])
        results: list[Any] = [None] * len(jobs)
        for k, (process, line) in enumerate(self.members):
            wait([line])  # unlike recv, lets the alarm of a limit through
            try:
                results[k::count] = line.recv()
            except EOFError:
                process.join()
                raise RuntimeError(
                    f"a process with an environment died, exit status {process.exitcode}"
                ) from None
        for result in results:
            if isinstance(result, _Failure):
                raise result.error()
        return results

    def close(self) -> None:
        """End the processes; what they were doing is lost. A fork of their owner leaves them be."""
        if os.getpid() != self.owner:
            return
        for process, line in self.members:
            line.close()
            process.terminate()
        for process, _ in self.members:
            process.join()
        self.members = []


class _Failure:
    def __init__(self, error: Exception) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})"
        self.kind = next((kind for kind in KNOWN if isinstance(error, kind)), RuntimeError)
        name = "" if type(error) is RuntimeError else f"{type(error).__name__}: "
        self.text = str(error) if self.kind in KNOWN else f"{name}{error}{place}"

    def error(self) -> Exception:
        return self.kind(self.text)


def _serve(
    hire: Callable[[], Callable[[Any], Any]], line: Connection, others: Sequence[Connection]
) -> None:
    """Do jobs until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    for other in others:  # or this process would keep lines open that its parent closes
        other.close()
    work: Callable[[Any], Any] | None = None
    while True:
        try:
            jobs = line.recv()
        except (EOFError, OSError):
            return
        results: list[Any] = []
        for job in jobs:
            try:
                work = work or hire()
                results.append(work(job))
            except Exception as error:
                results.append(_Failure(error))
        line.send(results)
