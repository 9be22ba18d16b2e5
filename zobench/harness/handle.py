"""A worker as the pool sees it: its runs, their limits, and how it ended."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import IO, Any

from zobench import user_file
from zobench.harness import proc
from zobench.harness.child import GRACE, IN_WORKER, Child, Garbled, how_ended
from zobench.harness.limits import build_limit
from zobench.harness.needs import Needs, needs_of
from zobench.harness.plan import RunSpec
from zobench.harness.result import RunResult

__all__ = ["IN_WORKER", "Message", "Worker"]

LOADING = 600.0  # seconds that files and packages may take to load, before a run begins
QUICK = 0.05  # seconds: a worker whose runs are shorter gets the next one in advance
_MIB = 1 << 20

Message = tuple[RunSpec, str, RunResult | None]  # the run, the kind, the result of P and F


class Worker(Child):
    """A child process that makes runs: `queue`, whose first is in progress once `has_begun`."""

    def __init__(self, threads: int, log: IO[bytes]) -> None:
        super().__init__(threads, log)
        self.queue: deque[RunSpec] = deque()
        self.verdict: tuple[str, str] | None = None  # why the parent killed it
        self._is_quick = False  # True if its last run was
        self._needs: Needs | None = None  # of the run that it got last
        self._kills = proc.kernel_kills()
        self._note_idle()

    def _note_idle(self) -> None:
        """Note that no run is in progress."""
        self.has_begun = False  # True if the first of `queue` has
        self.partial: RunResult | None = None
        self.limit: float | None = LOADING
        self.deadline = monotonic() + LOADING if self.queue else float("inf")
        self.memory_limit = float("inf")  # bytes
        self.pid = self.process.pid

    def takes(self, spec: RunSpec) -> bool:
        """Return True if it is free for this run, or soon will be."""
        if not self.queue:
            return True
        return self._is_quick and len(self.queue) == 1 and needs_of(spec) == self._needs

    def give(self, spec: RunSpec) -> bool:
        """Send a run. Return False if the worker has died."""
        self._needs = needs = needs_of(spec)
        request = {"do": "run", "spec": spec.to_dict(), "needs": asdict(needs)}
        if not self.send(request | {"texts": _texts(spec)}):
            return False
        self.queue.append(spec)
        if len(self.queue) == 1:
            self._note_idle()
        return True

    def take(self) -> Iterator[Message]:
        """Yield the messages that have come. Raise EOFError if it has died, and Garbled."""
        lines = self.lines()
        if lines is None:
            raise EOFError
        for line in lines:
            yield self._message(line)

    def _message(self, line: bytes) -> Message:
        try:
            kind, pid, key, content = json.loads(line)
        except (ValueError, TypeError, RecursionError) as error:
            raise Garbled("it sent something that is not a message of a run") from error
        if not self.queue or key != self.queue[0].key or pid.__class__ is not int:
            raise Garbled("it sent a message of another run")
        spec = self.queue[0]
        if kind == "C" and pid == self.process.pid:
            text = "it closed files that are not its own, so its result could not be sent"
            self.condemn("failed", text)
            return spec, kind, None
        if kind == "B" and not self.has_begun:
            self.has_begun, self.pid, self.since = True, pid, monotonic()
            memory = spec.problem.memory_limit
            self.memory_limit = content + 1.5 * memory * _MIB if memory else float("inf")
            self._limit(build_limit(spec))
            return spec, kind, None
        if not self.has_begun or pid != self.pid or kind not in ("S", "P", "F"):
            raise Garbled("it sent a message out of turn")
        if kind == "S":
            self._limit(spec.problem.time_limit)
            return spec, kind, None
        result = self._result(spec, content)
        if kind == "F":
            self.queue.popleft()
            self._is_quick = monotonic() - self.since < QUICK and not self._needs_files()
            self._note_idle()
        else:
            self.partial = result
        return spec, kind, result

    def _result(self, spec: RunSpec, content: Any) -> RunResult:
        """Return the result in a message, or a failed one that says why it cannot be stored."""
        try:
            return RunResult.from_plain(content)
        except (ValueError, TypeError) as error:
            return RunResult(spec.key, "failed", f"its result cannot be stored: {error}")

    def _needs_files(self) -> bool:
        """Return True if its run needs files, whose texts only an idle process gets."""
        return self._needs is not None and bool(self._needs.files)

    def _limit(self, seconds: float | None) -> None:
        self.limit = seconds
        self.deadline = monotonic() + seconds + GRACE if seconds else float("inf")

    def enforce(self) -> None:
        """Kill it if its run exceeds its limits."""
        if not self.queue or self.verdict is not None:
            return
        if monotonic() > self.deadline:
            failure = "did not stop" if self.has_begun else "did not load its files and packages"
            self.condemn("timeout", f"killed: it {failure} after {self.limit:g} s")
        elif self.memory_limit < (proc.memory_of("VmRSS", self.pid) or 0):
            limit = self.queue[0].problem.memory_limit
            self.condemn("oom", f"killed: it used more than {limit:g} MiB")

    def condemn(self, status: str, reason: str) -> None:
        """Kill it, and give its run this status and reason."""
        self.verdict = status, reason
        self.kill()

    def end(self) -> tuple[str, str]:
        """Return (status, reason) of the run in progress when the worker ended."""
        try:
            code = self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.condemn("failed", "killed: it closed its connection to zobench and went on")
            code = 0
        if self.verdict is not None:
            return self.verdict
        if code == -signal.SIGKILL and proc.kernel_kills() > self._kills:
            return "oom", "killed by the system for lack of memory"
        return "failed", how_ended(code)


def _texts(spec: RunSpec) -> dict[str, str]:
    """Return the texts of the users' files that the run was planned with, for JSON."""
    pairs = (
        (spec.problem.objective, spec.problem.version),
        (spec.estimator.entry, spec.estimator.version),
    )
    texts: dict[str, bytes] = {}
    for name, version in pairs:
        if path := user_file.file_of(name):
            texts |= user_file.texts_read(path, version.partition("+")[0])
    for settings in (spec.settings, spec.estimator.settings):
        for path in user_file.files_in(settings):
            texts |= user_file.texts_of(Path(path), "a function")
    return {path: base64.b64encode(text).decode() for path, text in texts.items()}
