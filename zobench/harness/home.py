"""A home: a process that has loaded what some runs need, and makes them.

Runs of registered elements share it if that is cheaper. Any other run gets a fork of it, and the
home itself computes nothing. Messages are lines of JSON: kind, process, run, content. Kinds:

    B building   S stepping   P progress   F finished   A an answer
    C (of a worker) the result of the run was cut off
"""

from __future__ import annotations

import base64
import gc
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from itertools import chain, repeat
from mmap import mmap
from pathlib import Path
from typing import Any

from zobench import user_file
from zobench.errors import BadInput
from zobench.harness import proc
from zobench.harness.elements import warm_noise
from zobench.harness.failures import outcome
from zobench.harness.limits import Limits
from zobench.harness.look import answer
from zobench.harness.needs import Needs
from zobench.harness.pages import file_pages, map_pages
from zobench.harness.plan import RunSpec
from zobench.harness.result import RUNNING, RunResult
from zobench.harness.run import Run
from zobench.harness.traced_memory import peak_of
from zobench.registry import estimators, objectives

READY, LEAVING = b"+", b"-"  # after a request: the home takes the next one, or ends
SENT, CUT_OFF = 1, 2  # marks of a run that sent its result, and of one that could not: see `live`
DAMAGED = ("timeout", "oom")  # after these, a process makes no other run


class ParentLink:
    """Sends messages to the parent; one from a signal handler never lands inside another."""

    def __init__(self, fd: int, key: str) -> None:
        self.fd, self.key, self.pid = fd, key, os.getpid()
        self._file = os.fstat(fd).st_ino
        self._is_busy = self._has_begun = False

    def send(self, kind: str, content: str) -> None:
        """Send JSON. Raise OSError if the run has closed or replaced the connection."""
        if os.getpid() != self.pid:
            os._exit(0)  # this is a fork that the run made, and that returned from it
        if self._is_busy:
            return
        if kind == "F" and not self._has_begun:  # a run that failed before it could say so
            self.send("B", "0")
        self._has_begun = True
        if os.fstat(self.fd).st_ino != self._file:
            raise OSError("the run has closed a file of zobench")
        self._is_busy = True
        rest = memoryview(f'["{kind}", {self.pid}, "{self.key}", {content}]\n'.encode())
        while rest:
            rest = rest[os.write(self.fd, rest) :]
        self._is_busy = False


def live(
    link: socket.socket, fd: int, needs: dict[str, Any], texts: dict[str, str], mark: mmap
) -> None:
    """Answer the requests of the worker until it ends.

    Args:
        link: to the worker.
        fd: the connection to the parent.
        needs: of the runs, as plain data.
        texts: of the users' files, in base64.
        mark: a byte that the worker, the home and its forks share. It says what became of the
            result of a run, which an exit status cannot, as a run may end with any.
    """

    def end() -> None:
        link.send(LEAVING)
        leave(0)

    threads, pid, recursion = proc.threads(), os.getpid(), sys.getrecursionlimit()
    for path, text in texts.items():
        user_file.fix(Path(path), base64.b64decode(text))
    run_needs, is_loaded = Needs(**needs), False
    if run_needs.alone:
        proc.adopt_orphans()
    for line in link.makefile("rb"):
        request = json.loads(line)
        if request["do"] != "run":
            content = answer(request)
            _undo(pid, recursion)
            ParentLink(fd, "").send("A", json.dumps(content))
            link.send(READY)
            continue
        spec = RunSpec.from_dict(request["spec"])
        if not is_loaded:
            load(run_needs)
            _undo(pid, recursion)
            is_loaded = True
        try:
            if run_needs.alone and proc.threads() == threads:
                _make_in_fork(link, fd, spec, run_needs.isolated, mark)
            elif make(fd, spec, run_needs.isolated, end, mark) in DAMAGED or run_needs.alone:
                link.send(LEAVING)  # a fork would lack the threads that loading has started
                return
        except Exception as error:  # such as in a function of Python that a file has replaced
            text = outcome(error, 1, 1)[1]
            reason = f"its files leave a process in which no run can be made: {text}"
            ParentLink(fd, spec.key).send("F", RunResult(spec.key, "failed", reason).to_json())
            link.send(LEAVING)
            return
        link.send(READY)


def _undo(pid: int, recursion: int) -> None:
    """Undo what a user's code did to its process `pid`: forks, and a lower recursion limit.

    A fork of the process that returned from the code ends here.
    """
    if os.getpid() != pid:
        os._exit(0)
    sys.setrecursionlimit(max(recursion, sys.getrecursionlimit()))


def load(needs: Needs) -> None:
    """Load what runs need, off their clocks; the runs report what is wrong with it."""
    for registry in (estimators, objectives) if needs.files else ():
        registry.load()  # names in a file must differ from all others
    for path in needs.files:
        with suppress(BadInput):
            user_file.load(Path(path), "it")
    for module in needs.packages:
        with suppress(Exception, SystemExit):
            import_module(module)
    warm_noise()
    if needs.alone:
        gc.collect()
        gc.freeze()


def make(fd: int, spec: RunSpec, isolated: bool, end: Callable[[], None], mark: mmap) -> str:
    """Make the run within its limits, send its result, and return its status.

    If the result cannot be sent, `mark` says so, and the process ends. `end` ends the process of a
    run that nothing else ends, once its result is sent.
    """
    link = ParentLink(fd, spec.key)

    def abandon(result: RunResult) -> None:
        link.send("F", result.to_json())
        end()

    pid, recursion = os.getpid(), sys.getrecursionlimit()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run = Run(spec, isolated)
        run.abandon = abandon
        try:
            result = _limited(link, run)
            if not isolated and result.settled and result.queries:
                result.peak_memory = peak_of(spec)
                result.memory_kind = "traced" if result.peak_memory > 0 else ""
        finally:
            _undo(pid, recursion)
        text = result.to_json()
    except BaseException as error:  # in the result, which has values of the run
        result = RunResult(spec.key, *outcome(error, 0, spec.problem.budget))
        text = result.to_json()
    try:
        link.send("F", text)
    except OSError:
        mark[0] = CUT_OFF
        os._exit(1)
    return result.status


def _limited(link: ParentLink, run: Run) -> RunResult:
    kinds = chain("B", repeat("S"))
    memory_limit = run.spec.problem.memory_limit

    def beat() -> None:
        with suppress(Exception):  # the end of the run reports it
            link.send("P", run.result(RUNNING, "").to_json())

    limits = Limits(memory_limit, beat)

    def phase(seconds: float | None, is_building: bool) -> None:
        limits.pause()
        link.send(next(kinds), str((memory_limit and proc.memory_of("VmRSS")) or 0))
        limits.phase(seconds, is_building)

    return run.execute(limits, phase)


def _make_in_fork(link: socket.socket, fd: int, spec: RunSpec, isolated: bool, mark: mmap) -> None:
    def end() -> None:
        mark[0] = SENT
        leave(0)

    mark[0] = 0
    home = os.getpid()
    pages = file_pages() if isolated else []
    pid = os.fork()
    if pid == 0:
        try:
            link.close()
            proc.die_with_parent()
            if os.getppid() == home:
                map_pages(pages)
                make(fd, spec, isolated, end, mark)
                end()
        except BaseException:
            traceback.print_exc()
        finally:
            leave(1)
    _, status = os.waitpid(pid, 0)
    proc.end_children()
    if mark[0] != SENT:
        die_likewise(os.waitstatus_to_exitcode(status))


def leave(status: int) -> None:
    """End this fork after flushing its output."""
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def die_likewise(code: int) -> None:
    """End as a child did, and all other children too: it may have died inside a message."""
    proc.end_children()
    if code < 0:
        with suppress(OSError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)
