"""A worker: a process that forks homes, which load users' files and make runs.

The parent sends requests, one line of JSON each. A worker passes a request to the home that has
loaded what it needs, waits for it, and ends the processes that it left running. It dies as its
home died, and when the parent dies.
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
from zobench.harness.home import CUT_OFF, LEAVING, READY, ParentLink, die_likewise, leave, live
from zobench.harness.plan import RunSpec

MOST = 8  # homes at a time: one with PyTorch takes some 200 MB


def main() -> None:
    """Run a worker. Arguments: the file descriptor of the connection, the parent's process id."""
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
    """Serve requests until the connection ends."""
    gc.freeze()  # the collector of a fork must not touch, and so copy, shared pages
    homes: dict[str, Home] = {}  # the one used last at the end
    for line in os.fdopen(fd, "rb", closefd=False):
        request = json.loads(line)
        key = json.dumps([request["needs"], request["texts"]])
        home = homes.pop(key, None)
        if home is None:
            if len(homes) >= MOST:
                homes.pop(next(iter(homes))).close()
            home = Home(fd, request)
        is_alive = home.do(line)
        proc.end_children(spared={home.pid, *(other.pid for other in homes.values())})
        if is_alive:
            homes[key] = home


class Home:
    """A home as its worker sees it."""

    def __init__(self, fd: int, request: dict[str, Any]) -> None:
        worker = os.getpid()
        self.fd, self.mark = fd, mmap(-1, 1)
        self.link, home_end = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                proc.die_with_parent()
                if os.getppid() == worker:
                    self.link.close()
                    live(home_end, fd, request["needs"], request["texts"], self.mark)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                leave(status)
        home_end.close()

    def do(self, line: bytes) -> bool:
        """Have a request done. Return False if the home has ended; die if it died."""
        with suppress(OSError):  # it has died
            self.link.sendall(line)
        has_ended = 0
        while not has_ended and not select.select([self.link], [], [], 1.0)[0]:
            # A child of the run may keep the link open.
            has_ended, code = os.waitpid(self.pid, os.WNOHANG)
        answer = b""
        if not has_ended:
            with suppress(OSError):
                answer = self.link.recv(1)
            if answer == READY:
                return True
            _, code = os.waitpid(self.pid, 0)
        self.link.close()
        if answer != LEAVING:
            if self.mark[0] == CUT_OFF:
                key = RunSpec.from_dict(json.loads(line)["spec"]).key
                ParentLink(self.fd, key).send("C", "0")
            die_likewise(os.waitstatus_to_exitcode(code))
        return False

    def close(self) -> None:
        """End it while it is idle."""
        self.link.close()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def _end(signum: int, frame: object) -> None:
    die_likewise(-signum)


if __name__ == "__main__":
    main()
