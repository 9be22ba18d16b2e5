"""The checks of an element in a process of its own, which may exit, hang or crash.

`outcomes` is the parent's side. The process itself is `python -m zobench.testing.apart FD ELEMENT
KIND FIRST`: it makes the checks from number FIRST on, and writes lines of JSON to the descriptor
FD: ["checks", element, kind, names], or ["refused", why]; then for each check ["begins"] and
[status, reason]. Of a file without a name it says ["names", what it registers].
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

from zobench.errors import BadInput
from zobench.harness.child import IN_WORKER, how_ended

LOADING = 120.0  # seconds that a process may take before its first check, at least


@dataclass(frozen=True)
class Outcome:
    """What came of a check."""

    element: str
    kind: str
    check: str
    about: str  # what the check asks
    status: str  # "ok", "failed" or "skipped"
    reason: str  # a sentence; "" where it is ok
    seconds: float


def outcomes(element: str, kind: str | None = None, limit: float = 60.0) -> Iterator[Outcome]:
    """The outcome of each check, as they come. Raises BadInput for an element that is not there.

    A check that takes more than `limit` seconds, or ends its process, has failed; those after it
    are made in another process.
    """
    names: list[tuple[str, str]] = []
    title, found = element, kind or ""
    at = 0
    while True:
        with _Process(element, kind, at) as process:
            began, running = monotonic(), False
            while True:
                line, how = process.line(limit if running else max(LOADING, limit))
                if line is None:
                    break
                if line[0] == "refused":
                    raise BadInput(line[1])
                if line[0] == "checks":
                    title, found = line[1], line[2]
                    names = [(name, about) for name, about in line[3]]
                elif line[0] == "begins":
                    began, running = monotonic(), True
                else:
                    running = False
                    status, reason = line
                    yield Outcome(title, found, *names[at], status, reason, monotonic() - began)
                    at += 1
                    if at == len(names):
                        return
            if not names:
                raise BadInput(f"{element} cannot be loaded: {how}")
            reason = f"{title} does not end this check: {how}"
            yield Outcome(title, found, *names[at], "failed", reason, monotonic() - began)
            at += 1
            if at == len(names):
                return


def registered(path: str, limit: float = 60.0) -> list[str]:
    """The names `path:name` of all that a file registers. Raises BadInput where it is nothing."""
    with _Process(path, None, 0) as process:
        line, how = process.line(max(LOADING, limit))
        if line is None:
            raise BadInput(f"{path} cannot be loaded: {how}")
        if line[0] == "refused":
            raise BadInput(line[1])
        return line[1]


class _Process:
    """A process that makes checks. Its standard output and errors are not shown."""

    def __init__(self, element: str, kind: str | None, first: int) -> None:
        self.read, write = os.pipe()
        environment = dict(os.environ) | {
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
            "PYTHONHASHSEED": "0",
            "TOKENIZERS_PARALLELISM": "false",
            IN_WORKER: "1",  # a file that runs a command when it is loaded
        }
        arguments = [str(write), element, kind or "", str(first)]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "zobench.testing.apart", *arguments],
            pass_fds=[write],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the parent
        )
        os.close(write)
        self.received = b""

    def line(self, seconds: float) -> tuple[Any, str]:
        """(a line that has come, ""), or (None, what happened instead)."""
        end = monotonic() + seconds
        while b"\n" not in self.received:
            ready, _, _ = select.select([self.read], [], [], max(0.0, end - monotonic()))
            if not ready:
                return None, f"it takes more than {seconds:g} s (see --time-limit)"
            data = os.read(self.read, 1 << 16)
            if not data:
                return None, how_ended(self.process.wait())
            self.received += data
        line, _, self.received = self.received.partition(b"\n")
        try:
            return json.loads(line), ""
        except ValueError:
            return None, "it writes to files that are not its own"

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.read)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _main(descriptor: int, element: str, kind: str, first: int) -> None:
    """Make the checks of an element, and say what comes of each."""
    from zobench.errors import said_by
    from zobench.testing import checks
    from zobench.testing.contract import Breach, NotApplicable
    from zobench.testing.elements import names_in

    with os.fdopen(descriptor, "w") as file:

        def say(*words: Any) -> None:
            file.write(json.dumps(words) + "\n")
            file.flush()

        try:
            if element.endswith(".py"):
                return say("names", names_in(element))
            all_of = checks(element, kind or None)  # pyright: ignore[reportArgumentType]
        except BadInput as error:
            return say("refused", str(error))
        except BaseException as error:
            return say("refused", f"{element}: {type(error).__name__}: {said_by(error)}")
        import torch  # noqa: F401 - so that no check waits for it

        subject = all_of[0].subject
        say("checks", str(subject), subject.kind, [(c.name, c.about) for c in all_of])
        for check in all_of[first:]:
            say("begins")
            try:
                check()
                say("ok", "")
            except NotApplicable as reason:
                say("skipped", str(reason))
            except Breach as breach:
                say("failed", " ".join(str(breach).split()))


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
    os._exit(0)  # whatever threads the element has left behind
