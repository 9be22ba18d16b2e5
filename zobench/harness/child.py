"""The parent's side of a process: its start, the lines to and from it, its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import IO, Any

IN_WORKER = "ZOBENCH_WORKER"  # set in a worker's environment
GRACE = 1.0  # seconds after its limit that a run may take to stop by itself
SLOWEST = 10.0  # seconds that an idle process may take to read what it is sent
LONGEST = 1 << 26  # bytes of a message
_THREADS = [
    f"{library}_NUM_THREADS" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "NUMBA", "RAYON")
] + ["VECLIB_MAXIMUM_THREADS"]


class Garbled(Exception):  # noqa: N818 - a fact about what was received
    """What a process has sent is not a message of its run; the text says what is wrong."""


def how_ended(code: int) -> str:
    """In words, for an exit status as `subprocess` gives it."""
    if code < 0:
        return f"killed by signal {-code} ({signal.Signals(-code).name})"
    return f"its process ended with status {code}"


class Child:
    """A process that runs `zobench.harness.worker`. Nothing that it sends is trusted."""

    def __init__(self, threads: int, log: IO[bytes] | int) -> None:
        """`threads` for each library that computes; `log` takes what it prints."""
        ours, theirs = socket.socketpair()
        paths = [path or os.getcwd() for path in sys.path]
        environment = dict(os.environ) | {
            IN_WORKER: "1",
            "PYTHONPATH": os.pathsep.join(paths),  # a user's packages are found as here
            "PYTHONHASHSEED": "0",  # an estimator that walks a set repeats itself
            "TOKENIZERS_PARALLELISM": "false",
            "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # to ask for a GPU must not spoil later forks
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
            start_new_session=True,  # Ctrl-C is for the parent
        )
        theirs.close()
        self.threads, self.socket = threads, ours
        self._received = bytearray()

    def send(self, request: dict[str, Any]) -> bool:
        """Send a request; False when the process has died."""
        try:
            self.socket.settimeout(SLOWEST)
            self.socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError:
            return False
        return True

    def lines(self) -> list[bytes] | None:
        """The lines that have arrived whole, without waiting. None: it has ended."""
        self.socket.setblocking(False)
        try:
            data = self.socket.recv(1 << 20)
        except BlockingIOError:
            return [] if self.ended() is None else None
        except OSError:
            data = b""
        if not data:
            return None
        self._received += data
        if b"\n" not in data:
            if len(self._received) > LONGEST:
                raise Garbled(f"it sent a message of more than {LONGEST >> 20} MiB")
            return []
        *lines, rest = self._received.split(b"\n")
        self._received = bytearray(rest)
        return [bytes(line) for line in lines]

    def ended(self) -> int | None:
        """Its exit status as `subprocess` gives it; None while it lives."""
        return self.process.poll()

    def kill(self) -> None:
        """End it and whatever it has started, at once."""
        self.process.terminate()  # it ends also those that have left its session
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()

    def close(self, at_once: bool) -> None:
        """Let it end by itself, or, `at_once` or when it does not, kill it. Reaps it."""
        self.socket.close()
        if not at_once:
            try:
                self.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                at_once = True
        if at_once:
            self.kill()
