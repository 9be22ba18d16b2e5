"""A home: a process that has loaded what some runs need, and makes them.

Runs of registered elements share it where that is cheaper. Any other run gets a fork of it: the
home then computes nothing itself. Messages are lines of JSON: kind, process, run, content. Kinds: B
building, S stepping, P progress, F finished, A an answer; C, of a worker: the run's result was cut
off.
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
from zobench.registry import estimators, objectives

READY, LEAVING = b"+", b"-"  # after a request: the home takes the next, or ends
SENT, CUT_OFF = 1, 2  # the mark of a run that sent its result, or that could not: see `live`
DAMAGED = ("timeout", "oom")  # after these, a process is not fit for another run


class Line:
    """The way to the parent; a report from a signal handler never breaks into another message."""

    def __init__(self, fd: int, key: str) -> None:
        self.fd, self.key, self.pid = fd, key, os.getpid()
        self._file, self._busy = os.fstat(fd).st_ino, False
        self._begun = False

    def send(self, kind: str, content: str) -> None:
        """Send JSON. Raises OSError where the run has closed the connection, or replaced it."""
        if os.getpid() != self.pid:
            os._exit(0)  # a fork that the run made, and that came back: it is not the run
        if self._busy:
            return
        if kind == "F" and not self._begun:  # what failed before a run could say that it begins
            self.send("B", "0")
        self._begun = True
        if os.fstat(self.fd).st_ino != self._file:
            raise OSError("the run has closed a file of zobench's")
        self._busy = True
        left = memoryview(f'["{kind}", {self.pid}, "{self.key}", {content}]\n'.encode())
        while left:
            left = left[os.write(self.fd, left) :]
        self._busy = False


def live(
    link: socket.socket, fd: int, needs: dict[str, Any], texts: dict[str, str], mark: mmap
) -> None:
    """Do what the worker asks until it ends; `texts` are those of the users' files, in base64.

    `mark`: a byte that the worker, the home and its forks share. It says what became of the result
    of a run, which an exit status cannot: a run may end its process with any.
    """

    def over() -> None:
        link.send(LEAVING)
        leave(0)

    calm, pid, deep = proc.threads(), os.getpid(), sys.getrecursionlimit()
    for path, text in texts.items():
        user_file.keep(Path(path), base64.b64decode(text))
    needed, loaded = Needs(**needs), False
    if needed.alone:
        proc.adopt_orphans()
    for line in link.makefile("rb"):
        request = json.loads(line)
        if request["do"] != "run":
            answered = answer(request)
            _undo(pid, deep)
            Line(fd, "").send("A", json.dumps(answered))
            link.send(READY)
            continue
        spec = RunSpec.from_dict(request["spec"])
        if not loaded:
            load(needed)
            _undo(pid, deep)
            loaded = True
        try:
            if needed.alone and proc.threads() == calm:
                _make_in_fork(link, fd, spec, needed.isolated, mark)
            elif make(fd, spec, needed.isolated, over, mark) in DAMAGED or needed.alone:
                link.send(LEAVING)  # a fork would lack the threads that loading has started
                return
        except Exception as error:  # such as of a function of Python's that a file has replaced
            said = outcome(error, 1, 1)[1]
            reason = f"its files leave a process in which no run can be made: {said}"
            Line(fd, spec.key).send("F", RunResult(spec.key, "failed", reason).to_json())
            link.send(LEAVING)
            return
        link.send(READY)


def _undo(pid: int, deep: int) -> None:
    """Undo what code of a user's has done to its process `pid`: forks, and a lower recursion limit.

    A copy of the process that the code has forked, and that came back from it, ends here.
    """
    if os.getpid() != pid:
        os._exit(0)
    sys.setrecursionlimit(max(deep, sys.getrecursionlimit()))


def load(needs: Needs) -> None:
    """Load what runs need, off their clocks. What is wrong with it, the runs say."""
    for registry in (estimators, objectives) if needs.files else ():
        registry.load()  # names of a file must be new: all others are looked at
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


def make(fd: int, spec: RunSpec, isolated: bool, over: Callable[[], None], mark: mmap) -> str:
    """Make the run within its limits and send what comes of it; its status.

    Where that cannot be sent, `mark` says so, and the process ends. `over` ends the process of a
    run that nothing else ends, once its result is sent.
    """
    line = Line(fd, spec.key)

    def abandon(result: RunResult) -> None:
        line.send("F", result.to_json())
        over()

    pid, deep = os.getpid(), sys.getrecursionlimit()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run = Run(spec, isolated)
        run.abandon = abandon
        try:
            result = _limited(line, run)
        finally:
            _undo(pid, deep)
        text = result.to_json()
    except BaseException as error:  # of the result, which holds what the run put there
        result = RunResult(spec.key, *outcome(error, 0, spec.problem.budget))
        text = result.to_json()
    try:
        line.send("F", text)
    except OSError:
        mark[0] = CUT_OFF
        os._exit(1)
    return result.status


def _limited(line: Line, run: Run) -> RunResult:
    kinds = chain("B", repeat("S"))
    memory_limit = run.spec.problem.memory_limit

    def beat() -> None:
        with suppress(Exception):  # the end of the run says what is wrong
            line.send("P", run.result(RUNNING, "").to_json())

    limits = Limits(memory_limit, beat)

    def phase(seconds: float | None, building: bool) -> None:
        limits.pause()
        line.send(next(kinds), str((memory_limit and proc.memory_of("VmRSS")) or 0))
        limits.phase(seconds, building)

    return run.execute(limits, phase)


def _make_in_fork(link: socket.socket, fd: int, spec: RunSpec, isolated: bool, mark: mmap) -> None:
    def over() -> None:
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
                make(fd, spec, isolated, over, mark)
                over()
        except BaseException:
            traceback.print_exc()
        finally:
            leave(1)
    _, ended = os.waitpid(pid, 0)
    proc.end_children()
    if mark[0] != SENT:
        die_likewise(os.waitstatus_to_exitcode(ended))


def leave(status: int) -> None:
    """End this fork, with what it has printed."""
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def die_likewise(code: int) -> None:
    """End as a child did, and with all others: it may have died inside a message."""
    proc.end_children()
    if code < 0:
        with suppress(OSError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)
