"""A worker process as its parent sees it: its start, the lines to and from it, its end."""

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
SLOWEST = 10.0  # seconds that an idle process may take to read a request
LONGEST = 1 << 26  # bytes of a message
_THREADS = [
    f"{library}_NUM_THREADS" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "NUMBA", "RAYON")
] + ["VECLIB_MAXIMUM_THREADS"]


class Garbled(Exception):  # noqa: N818 - a fact about the message
    """A process sent something that is not a message of its run; the text says what."""


def how_ended(code: int) -> str:
    """Put an exit status of `subprocess` into words."""
    if code < 0:
        return f"killed by signal {-code} ({signal.Signals(-code).name})"
    return f"its process ended with status {code}"


class Child:
    """A process that runs `zobench.harness.worker`; nothing that it sends is trusted."""

    def __init__(self, threads: int, log: IO[bytes] | int) -> None:
        """Start it with `threads` per library that computes; `log` takes its output."""
        own_end, child_end = socket.socketpair()
        paths = [path or os.getcwd() for path in sys.path]
        environment = dict(os.environ) | {
            IN_WORKER: "1",
            "PYTHONPATH": os.pathsep.join(paths),  # a user's packages are importable as here
            "PYTHONHASHSEED": "0",  # an estimator that iterates over a set repeats itself
            "TOKENIZERS_PARALLELISM": "false",
            "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # looking for a GPU must not spoil later forks
            **dict.fromkeys(_THREADS, str(threads)),
        }
        module = ["-P", "-m", "zobench.harness.worker", str(child_end.fileno()), str(os.getpid())]
        self.process = subprocess.Popen(
            [sys.executable, *module],
            pass_fds=[child_end.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the parent
        )
        child_end.close()
        self.threads, self.socket = threads, own_end
        self._received = bytearray()

    def send(self, request: dict[str, Any]) -> bool:
        """Send a request. Return False if the process has died."""
        try:
            self.socket.settimeout(SLOWEST)
            self.socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError:
            return False
        return True

    def lines(self) -> list[bytes] | None:
        """Return the lines that have arrived, without waiting; None if the process has ended.

        Raises Garbled for a message that is too long.
        """
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
        """Return its exit status, as `subprocess` gives it; None while it lives."""
        return self.process.poll()

    def kill(self) -> None:
        """End it, and all that it has started, at once."""
        self.process.terminate()  # it ends also those that have left its session
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()

    def close(self, at_once: bool) -> None:
        """Let it end by itself; kill it `at_once`, or if it does not end. Reap it."""
        self.socket.close()
        if not at_once:
            try:
                self.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                at_once = True
        if at_once:
            self.kill()
