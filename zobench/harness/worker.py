"""A worker: a process that makes the runs its parent sends, and dies with its parent.

Cheap runs share the process. A run whose memory is reported gets a fork of it, with the heavy
packages already loaded: the worker itself computes nothing, so forking is safe. Messages are one
letter and JSON: B building, S stepping, P progress, F finished.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import sys
import traceback
from contextlib import suppress
from itertools import chain, repeat
from multiprocessing.connection import Connection

from zobench.harness import proc
from zobench.harness.elements import entries, load_packages, warm_noise
from zobench.harness.limits import Limits
from zobench.harness.pages import file_pages, map_pages
from zobench.harness.plan import RunSpec
from zobench.harness.result import RunResult
from zobench.harness.run import Run

DELIVERED = 77  # exit status of a fork that has sent its result
DAMAGED = ("timeout", "oom")  # after these, the process is replaced


class Line:
    """The way to the parent; a report from a signal handler never breaks into another message."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self._busy = connection, False

    def send(self, kind: str, text: str = "") -> None:
        if not self._busy:
            self._busy = True
            self.connection.send_bytes((kind + text).encode())
            self._busy = False


def main() -> None:
    """Arguments: the file descriptor of the connection, the parent's process id."""
    fd, parent = int(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(fd, False)
    proc.die_with_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if os.getppid() == parent:
        with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent has gone
            serve(Connection(fd))


def serve(connection: Connection) -> None:
    """Make runs until the connection ends, or this process is not fit for the next.

    The parent then starts another. A process that has computed may have threads, which a fork
    would lack: it does not fork.
    """
    has_computed = False
    while True:
        spec = RunSpec.from_dict(json.loads(connection.recv_bytes()))
        if _prepare(spec):
            if has_computed:
                return
            _make_in_fork(connection, spec)
        else:
            has_computed = True
            if _make(connection, spec, isolated=False) in DAMAGED:
                return


def _prepare(spec: RunSpec) -> bool:
    """Load what the run needs, off its clock. Does it need a process of its own?"""
    try:
        pair = entries(spec)
        for entry in pair:
            load_packages(entry)
        warm_noise()
    except (Exception, SystemExit):
        return False  # the run says what is wrong
    return any(entry.isolate for entry in pair)


def _make(connection: Connection, spec: RunSpec, isolated: bool) -> str:
    """Make the run within its limits and send what comes of it; its status."""
    line = Line(connection)
    run = Run(spec, isolated)
    kinds = chain("B", repeat("S"))

    def beat() -> None:
        line.send("P", run.result("running", "").to_json())

    def abandon(result: RunResult) -> None:
        line.send("F", result.to_json())
        os._exit(DELIVERED if isolated else 0)

    run.abandon = abandon
    limits = Limits(spec.problem.memory_limit, beat)

    def phase(seconds: float | None) -> None:
        resident = proc.memory_of("VmRSS") if spec.problem.memory_limit else None
        line.send(next(kinds), json.dumps([os.getpid(), resident or 0]))
        limits.phase(seconds)

    result = run.execute(limits, phase)
    line.send("F", result.to_json())
    return result.status


def _make_in_fork(connection: Connection, spec: RunSpec) -> None:
    worker = os.getpid()
    gc.collect()
    gc.freeze()  # the collector of a fork must not touch, and so copy, what all share
    pages = file_pages()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            proc.die_with_parent()
            if os.getppid() == worker:
                map_pages(pages)
                _make(connection, spec, isolated=True)
                status = DELIVERED
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)
    _, ended = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(ended) != DELIVERED:
        _die_likewise(os.waitstatus_to_exitcode(ended))


def _die_likewise(code: int) -> None:
    """End as the fork did: it may have died inside a message, so nothing can follow it."""
    if code < 0:
        with suppress(OSError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main()
