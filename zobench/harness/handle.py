"""The parent's side of one worker: what it was given, its limits, and how it ended."""

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
QUICK = 0.05  # seconds: a worker whose runs are shorter is given the next one in advance
_MIB = 1 << 20

Message = tuple[RunSpec, str, RunResult | None]  # the run, the kind, the result with P and F


class Worker(Child):
    """A child process that makes runs: `given`, the first of them in progress once `building`."""

    def __init__(self, threads: int, log: IO[bytes]) -> None:
        super().__init__(threads, log)
        self.given: deque[RunSpec] = deque()
        self.verdict: tuple[str, str] | None = None  # why the parent killed it
        self._quick = False  # was its last run?
        self._needs: Needs | None = None  # of the run that was given last
        self._kills = proc.kernel_kills()
        self._rest()

    def _rest(self) -> None:
        """Nothing runs; what was given is awaited."""
        self.building = False  # has the first of `given` begun?
        self.partial: RunResult | None = None
        self.limit: float | None = LOADING
        self.deadline = monotonic() + LOADING if self.given else float("inf")
        self.most = float("inf")  # bytes
        self.pid = self.process.pid

    def takes(self, spec: RunSpec) -> bool:
        """Is it free for this run, or about to be?"""
        if not self.given:
            return True
        return self._quick and len(self.given) == 1 and needs_of(spec) == self._needs

    def give(self, spec: RunSpec) -> bool:
        """Send a run; False when the worker has died."""
        self._needs = needs = needs_of(spec)
        request = {"do": "run", "spec": spec.to_dict(), "needs": asdict(needs)}
        if not self.send(request | {"texts": _texts(spec)}):
            return False
        self.given.append(spec)
        if len(self.given) == 1:
            self._rest()
        return True

    def take(self) -> Iterator[Message]:
        """The messages that have come. Raises EOFError when it has died, and Garbled."""
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
        if not self.given or key != self.given[0].key or pid.__class__ is not int:
            raise Garbled("it sent a message of another run")
        spec = self.given[0]
        if kind == "C" and pid == self.process.pid:
            text = "it closed files that are not its own, so its result could not be sent"
            self.condemn("failed", text)
            return spec, kind, None
        if kind == "B" and not self.building:
            self.building, self.pid, self.since = True, pid, monotonic()
            memory = spec.problem.memory_limit
            self.most = content + 1.5 * memory * _MIB if memory else float("inf")
            self._limit(build_limit(spec))
            return spec, kind, None
        if not self.building or pid != self.pid or kind not in ("S", "P", "F"):
            raise Garbled("it sent a message out of turn")
        if kind == "S":
            self._limit(spec.problem.time_limit)
            return spec, kind, None
        result = self._result(spec, content)
        if kind == "F":
            self.given.popleft()
            self._quick = monotonic() - self.since < QUICK and not self._needs_files()
            self._rest()
        else:
            self.partial = result
        return spec, kind, result

    def _result(self, spec: RunSpec, content: Any) -> RunResult:
        """What it sent, or a failed run that says why that cannot be stored."""
        try:
            return RunResult.from_plain(content)
        except (ValueError, TypeError) as error:
            return RunResult(spec.key, "failed", f"its result cannot be stored: {error}")

    def _needs_files(self) -> bool:
        """Texts of files are sent to an idle process only, which reads them at once."""
        return self._needs is not None and bool(self._needs.files)

    def _limit(self, seconds: float | None) -> None:
        self.limit = seconds
        self.deadline = monotonic() + seconds + GRACE if seconds else float("inf")

    def enforce(self) -> None:
        """Kill it if its run does not keep its limits."""
        if not self.given or self.verdict is not None:
            return
        if monotonic() > self.deadline:
            what = "did not stop" if self.building else "did not load its files and packages"
            self.condemn("timeout", f"killed: it {what} after {self.limit:g} s")
        elif self.most < (proc.memory_of("VmRSS", self.pid) or 0):
            most = self.given[0].problem.memory_limit
            self.condemn("oom", f"killed: it used more than {most:g} MiB")

    def condemn(self, status: str, reason: str) -> None:
        """Kill it, for this reason."""
        self.verdict = status, reason
        self.kill()

    def end(self) -> tuple[str, str]:
        """(status, reason) of the run that was in progress when the worker ended."""
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
    """The texts of the users' files that the run was planned with, for JSON."""
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
            texts |= user_file.made_of(Path(path), "a function")
    return {path: base64.b64encode(text).decode() for path, text in texts.items()}
