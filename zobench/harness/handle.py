"""The parent's side of one worker: its process, what it was given, and how it ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from multiprocessing.connection import Connection
from time import monotonic
from typing import IO

from zobench.harness import proc
from zobench.harness.limits import BUILD
from zobench.harness.plan import RunSpec
from zobench.harness.result import RunResult

IN_WORKER = "ZOBENCH_WORKER"  # set in a worker's environment
GRACE = 1.0  # seconds after its limit that a run may take to stop by itself
QUICK = 0.05  # seconds: a worker whose runs are shorter is given the next one in advance
_MIB = 1 << 20
_THREADS = [
    f"{library}_NUM_THREADS" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "NUMBA", "RAYON")
] + ["VECLIB_MAXIMUM_THREADS"]


class Worker:
    """A child process. `given` are its runs, the first of them in progress once `building`."""

    def __init__(self, threads: int, log: IO[bytes]) -> None:
        """`threads` for each library that computes; `log` takes what the runs print."""
        ours, theirs = socket.socketpair()
        paths = [path or os.getcwd() for path in sys.path]
        environment = dict(os.environ) | {
            IN_WORKER: "1",
            "PYTHONPATH": os.pathsep.join(paths),  # a user's packages are found as here
            "PYTHONHASHSEED": "0",  # an estimator that walks a set repeats itself
            "TOKENIZERS_PARALLELISM": "false",
            **dict.fromkeys(_THREADS, str(threads)),
        }
        module = ["-P", "-m", "zobench.harness.worker", str(theirs.fileno()), str(os.getpid())]
        self.process = subprocess.Popen(
            [sys.executable, *module],
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the parent; a kill takes its children too
        )
        theirs.close()
        self.connection = Connection(ours.detach())
        self.given: deque[RunSpec] = deque()
        self.quick = False  # was its last run?
        self.verdict: tuple[str, str] | None = None  # why the parent killed it
        self._kills = proc.kernel_kills()
        self._rest()

    def _rest(self) -> None:
        self.building = False  # has the first of `given` begun?
        self.partial: RunResult | None = None
        self.deadline = float("inf")
        self.most = float("inf")  # bytes
        self.pid = self.process.pid

    def give(self, spec: RunSpec) -> bool:
        """Send a run; False when the worker has died."""
        try:
            self.connection.send_bytes(json.dumps(spec.to_dict()).encode())
        except OSError:
            return False
        self.given.append(spec)
        return True

    def take(self) -> tuple[str, RunResult | None] | None:
        """The next message: its letter, and the result with P and F. None when it has died."""
        try:
            message = self.connection.recv_bytes().decode()
        except (EOFError, OSError):
            return None
        kind, text = message[0], message[1:]
        if kind in "BS":
            self._advance(kind, *json.loads(text))
            return kind, None
        result = RunResult.from_json(text)
        self.partial = result
        if kind == "F":
            self.given.popleft()
            self.quick = monotonic() - self.since < QUICK
            self._rest()
        return kind, result

    def _advance(self, kind: str, pid: int, resident: int) -> None:
        problem, now = self.given[0].problem, monotonic()
        limit, memory = problem.time_limit, problem.memory_limit
        if kind == "B":
            self.building, self.pid, self.since = True, pid, now
            self.most = resident + 1.5 * memory * _MIB if memory else float("inf")
            limit = limit and max(BUILD, limit)
        self.limit = limit
        self.deadline = now + limit + GRACE if limit else float("inf")

    def enforce(self) -> None:
        """Kill it if its run does not keep its limits."""
        if self.building and self.verdict is None:
            problem = self.given[0].problem
            if monotonic() > self.deadline:
                self.verdict = "timeout", f"killed: it did not stop after {self.limit:g} s"
                self.kill()
            elif self.most < (proc.memory_of("VmRSS", self.pid) or 0):
                self.verdict = "oom", f"killed: it used more than {problem.memory_limit:g} MiB"
                self.kill()

    def ended(self) -> tuple[str, str]:
        """(status, reason) of the run that was in progress when the worker died."""
        try:
            code = self.process.wait(1.0)
        except subprocess.TimeoutExpired:  # it only closed the connection
            self.kill()
            code = self.process.wait()
        if self.verdict is not None:
            return self.verdict
        if code == -signal.SIGKILL and proc.kernel_kills() > self._kills:
            return "oom", "killed by the system for lack of memory"
        if code < 0:
            return "failed", f"killed by signal {-code} ({signal.Signals(-code).name})"
        return "failed", f"its process ended with status {code}"

    def kill(self) -> None:
        """End it and whatever it started, at once."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            self.process.kill()

    def close(self, at_once: bool) -> None:
        """Let it end by itself, or, `at_once` or when it does not, kill it. Reaps it."""
        self.connection.close()
        if not at_once:
            try:
                self.process.wait(1.0)
            except subprocess.TimeoutExpired:
                at_once = True
        if at_once:
            self.kill()
        self.process.wait()
