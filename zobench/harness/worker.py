"""A worker: a process that loads no user's file and makes no run. Its homes do, which it forks.

The parent sends requests, one line of JSON each; a worker passes a request on to the home that has
loaded what it needs, waits until that is done, and ends what was left running. It dies as its home
died, and when the parent dies.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress
from mmap import mmap
from typing import Any

from zobench.harness import proc
from zobench.harness.home import CUT_OFF, LEAVING, READY, Line, die_likewise, leave, live
from zobench.harness.plan import RunSpec

MOST = 8  # homes at a time: one with PyTorch holds some 200 MB


def main() -> None:
    """Arguments: the file descriptor of the connection, the parent's process id."""
    fd, parent = int(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(fd, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    proc.die_with_parent(signal.SIGTERM)
    proc.adopt_orphans()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if os.getppid() == parent:
        serve(fd)
    proc.end_children()


def serve(fd: int) -> None:
    """Have requests done until the connection ends."""
    gc.freeze()  # the collector of a fork must not touch, and so copy, what all share
    homes: dict[str, Home] = {}  # the last one used at the end
    for line in os.fdopen(fd, "rb", closefd=False):
        request = json.loads(line)
        key = json.dumps([request["needs"], request["texts"]])
        home = homes.pop(key, None)
        if home is None:
            if len(homes) >= MOST:
                homes.pop(next(iter(homes))).close()
            home = Home(fd, request)
        stays = home.do(line)
        proc.end_children(spared={home.pid, *(other.pid for other in homes.values())})
        if stays:
            homes[key] = home


class Home:
    """The worker's side of a home."""

    def __init__(self, fd: int, request: dict[str, Any]) -> None:
        worker = os.getpid()
        self.fd, self.mark = fd, mmap(-1, 1)
        self.link, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                proc.die_with_parent()
                if os.getppid() == worker:
                    self.link.close()
                    live(theirs, fd, request["needs"], request["texts"], self.mark)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                leave(status)
        theirs.close()

    def do(self, line: bytes) -> bool:
        """Have a request done. False: it has ended in order; where it died, so does the worker."""
        with suppress(OSError):  # it has died
            self.link.sendall(line)
        ended = 0
        while not ended and not select.select([self.link], [], [], 1.0)[0]:
            ended, code = os.waitpid(self.pid, os.WNOHANG)  # a run's own child may hold the link
        answer = b""
        if not ended:
            with suppress(OSError):
                answer = self.link.recv(1)
            if answer == READY:
                return True
            _, code = os.waitpid(self.pid, 0)
        self.link.close()
        if answer != LEAVING:
            if self.mark[0] == CUT_OFF:
                key = RunSpec.from_dict(json.loads(line)["spec"]).key
                Line(self.fd, key).send("C", "0")
            die_likewise(os.waitstatus_to_exitcode(code))
        return False

    def close(self) -> None:
        """End it; it is idle."""
        self.link.close()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def _end(signum: int, frame: object) -> None:
    die_likewise(-signum)


if __name__ == "__main__":
    main()
