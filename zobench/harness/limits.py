"""Limits of a run in its own process: wall clock and memory; and a heartbeat to the parent.

The parent kills a run that exceeds them, such as code that blocks the interpreter or catches every
exception.
"""

from __future__ import annotations

import resource
import signal
import sys
from collections.abc import Callable
from time import monotonic
from types import FrameType

from zobench.harness import proc
from zobench.harness.plan import RunSpec
from zobench.user_file import file_of

BEAT = 2.0  # seconds between two reports of a long run
BUILD = 120.0  # seconds, at least, to build registered elements: weights load, caches fill
_MIB = 1 << 20
_FAR = 1e9


class OutOfTime(BaseException):
    """The wall-clock limit passed; not an Exception, so that no estimator catches it."""


def build_limit(spec: RunSpec) -> float | None:
    """Return the seconds that building the objective and the estimator may take; None: no limit.

    Those of a user's file have the run's time limit, or BUILD if there is none.
    """
    limit = spec.problem.time_limit
    if file_of(spec.problem.objective) or file_of(spec.estimator.entry):
        return limit or BUILD
    return limit and max(BUILD, limit)


class Limits:
    """A context for the body of a run, in the main thread of its process.

    Allocations beyond `mib` MiB over the present use raise MemoryError (Linux only). `beat` is
    called about every BEAT seconds, between two bytecodes of the code that runs.
    """

    def __init__(self, mib: float | None, beat: Callable[[], None]) -> None:
        self.mib, self.beat = mib, beat
        self.seconds: float | None = None
        self.is_building = False
        self.deadline = _FAR
        self.raised: OutOfTime | None = None  # the last one raised here

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
        self.pause()
        signal.signal(signal.SIGALRM, self._handler)
        resource.setrlimit(resource.RLIMIT_DATA, self._data)

    def pause(self) -> None:
        """Stop the signals until the next phase."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def phase(self, seconds: float | None, is_building: bool) -> None:
        """Begin a part of the run: OutOfTime is raised after `seconds`; None: no limit."""
        self.seconds, self.is_building = seconds, is_building
        self.deadline = monotonic() + (_FAR if seconds is None else seconds)
        self._arm()

    def _arm(self) -> None:
        remaining = self.deadline - monotonic()
        signal.setitimer(signal.ITIMER_REAL, min(BEAT, max(remaining, 1e-6)))

    def _tick(self, signum: int, frame: FrameType | None) -> None:
        if monotonic() >= self.deadline:
            part = " of building; a longer time limit allows more" if self.is_building else ""
            self.raised = OutOfTime(f"stopped after {self.seconds:g} s{part}")
            raise self.raised
        self.beat()
        self._arm()
