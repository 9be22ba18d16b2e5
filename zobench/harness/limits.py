"""Limits of a run, kept by its own process: wall clock, memory; and a heartbeat to the parent.

The parent kills what does not keep them (code that holds the interpreter, or catches everything).
"""

from __future__ import annotations

import resource
import signal
import sys
from collections.abc import Callable
from time import monotonic
from types import FrameType

from zobench.harness import proc
from zobench.harness.failures import OutOfTime

BEAT = 2.0  # seconds between two reports of a long run
BUILD = 120.0  # seconds that building a problem may take at least: weights load, caches fill
_MIB = 1 << 20
_FAR = 1e9


class Limits:
    """A context for the body of a run, in the main thread of its process.

    `phase(seconds)` begins a part that may last so long (None: for ever): OutOfTime is raised in
    it. Allocations beyond `mib` MiB over the present raise MemoryError (Linux). `beat` is called
    about every BEAT seconds, between two bytecodes of whatever runs.
    """

    def __init__(self, mib: float | None, beat: Callable[[], None]) -> None:
        self.mib, self.beat = mib, beat
        self.seconds: float | None = None
        self.deadline = _FAR

    def __enter__(self) -> Limits:
        self._handler = signal.signal(signal.SIGALRM, self._tick)
        signal.siginterrupt(signal.SIGALRM, False)  # system calls of other libraries go on
        self._data = resource.getrlimit(resource.RLIMIT_DATA)
        if self.mib is not None and sys.platform == "linux":
            soft = (proc.memory_of("VmData") or 0) + int(self.mib * _MIB)
            hard = self._data[1]
            if hard == resource.RLIM_INFINITY or soft < hard:
                resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler)
        resource.setrlimit(resource.RLIMIT_DATA, self._data)

    def phase(self, seconds: float | None) -> None:
        """Begin a part of the run that may last `seconds`."""
        self.seconds = seconds
        self.deadline = monotonic() + (_FAR if seconds is None else seconds)
        self._arm()

    def _arm(self) -> None:
        left = self.deadline - monotonic()
        signal.setitimer(signal.ITIMER_REAL, min(BEAT, max(left, 1e-6)))

    def _tick(self, signum: int, frame: FrameType | None) -> None:
        if monotonic() >= self.deadline:
            raise OutOfTime(f"stopped after {self.seconds:g} s")
        self.beat()
        self._arm()
