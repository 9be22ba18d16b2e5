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
from zobench.harness.plan import RunSpec
from zobench.user_file import file_of

BEAT = 2.0  # seconds between two reports of a long run
BUILD = 120.0  # seconds to build what is registered, at least: weights load, caches fill
_MIB = 1 << 20
_FAR = 1e9


def build_limit(spec: RunSpec) -> float | None:
    """Seconds that building the objective and the estimator may take; None: for ever.

    Those of a user's file have the run's time limit, or BUILD where there is none.
    """
    limit = spec.problem.time_limit
    if file_of(spec.problem.objective) or file_of(spec.estimator.entry):
        return limit or BUILD
    return limit and max(BUILD, limit)


class Limits:
    """A context for the body of a run, in the main thread of its process.

    `phase(seconds, building)` begins a part that may last so long (None: for ever): OutOfTime is
    raised in it. Allocations beyond `mib` MiB over the present raise MemoryError (Linux). `beat` is
    called about every BEAT seconds, between two bytecodes of whatever runs.
    """

    def __init__(self, mib: float | None, beat: Callable[[], None]) -> None:
        self.mib, self.beat = mib, beat
        self.seconds: float | None = None
        self.building = False
        self.deadline = _FAR
        self.raised: OutOfTime | None = None  # the last that came from here

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
        """No signal comes until the next phase."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def phase(self, seconds: float | None, building: bool) -> None:
        """Begin a part of the run that may last `seconds`."""
        self.seconds, self.building = seconds, building
        self.deadline = monotonic() + (_FAR if seconds is None else seconds)
        self._arm()

    def _arm(self) -> None:
        left = self.deadline - monotonic()
        signal.setitimer(signal.ITIMER_REAL, min(BEAT, max(left, 1e-6)))

    def _tick(self, signum: int, frame: FrameType | None) -> None:
        if monotonic() >= self.deadline:
            part = " of building; a longer time limit allows more" if self.building else ""
            self.raised = OutOfTime(f"stopped after {self.seconds:g} s{part}")
            raise self.raised
        self.beat()
        self._arm()
