"""Run the checks of an element in a separate process, which may exit, hang or crash.

`outcomes` runs in the parent. The child process is `python -m zobench.testing.apart FD ELEMENT
KIND FIRST`. It runs the checks from number FIRST on and writes lines of JSON to the file
descriptor FD: ["checks", element, kind, names], or ["refused", reason]; then ["begins"] and
[status, reason] per check. For a file without a name it writes ["names", registered elements].
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
class CheckOutcome:
    """The outcome of one check."""

    element: str
    kind: str
    check: str
    about: str  # the property that the check tests
    status: str  # "ok", "failed" or "skipped"
    reason: str  # a sentence; "" if the status is "ok"
    seconds: float


def outcomes(element: str, kind: str | None = None, limit: float = 60.0) -> Iterator[CheckOutcome]:
    """Yield the outcome of each check as soon as it ends.

    A check that takes more than `limit` seconds, or that ends its process, has failed; the checks
    after it run in a new process. Raises BadInput if there is no such element.
    """
    names: list[tuple[str, str]] = []
    title, actual_kind = element, kind or ""
    number = 0
    while True:
        with _Process(element, kind, number) as process:
            began, running = monotonic(), False
            while True:
                line, ending = process.line(limit if running else max(LOADING, limit))
                if line is None:
                    break
                if line[0] == "refused":
                    raise BadInput(line[1])
                if line[0] == "checks":
                    title, actual_kind = line[1], line[2]
                    names = [(name, about) for name, about in line[3]]
                elif line[0] == "begins":
                    began, running = monotonic(), True
                else:
                    running = False
                    status, reason = line
                    seconds = monotonic() - began
                    yield CheckOutcome(title, actual_kind, *names[number], status, reason, seconds)
                    number += 1
                    if number == len(names):
                        return
            if not names:
                raise BadInput(f"{element} cannot be loaded: {ending}")
            reason = f"{title} does not end this check: {ending}"
            seconds = monotonic() - began
            yield CheckOutcome(title, actual_kind, *names[number], "failed", reason, seconds)
            number += 1
            if number == len(names):
                return


def registered_in(path: str, limit: float = 60.0) -> list[str]:
    """List what a file registers, as `path:name`. Raises BadInput if it registers nothing."""
    with _Process(path, None, 0) as process:
        line, ending = process.line(max(LOADING, limit))
        if line is None:
            raise BadInput(f"{path} cannot be loaded: {ending}")
        if line[0] == "refused":
            raise BadInput(line[1])
        return line[1]


class _Process:
    """A process that runs checks. Its standard output and errors are not shown."""

    def __init__(self, element: str, kind: str | None, first: int) -> None:
        self.read, write = os.pipe()
        environment = dict(os.environ) | {
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
            "PYTHONHASHSEED": "0",
            "TOKENIZERS_PARALLELISM": "false",
            IN_WORKER: "1",  # refuses a file that runs a command when it is loaded
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
        """Return (the next line, ""), or (None, the reason) if none comes within `seconds`."""
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
    """Run the checks of an element and write the outcome of each."""
    from zobench.errors import error_text
    from zobench.testing import checks
    from zobench.testing.contract import Breach, NotApplicable
    from zobench.testing.elements import names_in

    with os.fdopen(descriptor, "w") as file:

        def write(*words: Any) -> None:
            file.write(json.dumps(words) + "\n")
            file.flush()

        try:
            if element.endswith(".py"):
                return write("names", names_in(element))
            all_checks = checks(element, kind or None)  # pyright: ignore[reportArgumentType]
        except BadInput as error:
            return write("refused", str(error))
        except BaseException as error:
            return write("refused", f"{element}: {type(error).__name__}: {error_text(error)}")
        import torch  # noqa: F401 - before the first check, so that its time limit excludes it

        subject = all_checks[0].subject
        write("checks", str(subject), subject.kind, [(c.name, c.about) for c in all_checks])
        for check in all_checks[first:]:
            write("begins")
            try:
                check()
                write("ok", "")
            except NotApplicable as reason:
                write("skipped", str(reason))
            except Breach as breach:
                write("failed", " ".join(str(breach).split()))


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
    os._exit(0)  # also if the element left threads running
