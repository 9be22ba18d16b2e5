"""Processes on Linux: memory, kills, children. Other systems lack most of this.

A child whose parent dies without waiting for it belongs to init; `adopt_orphans` makes it ours
instead, so that no process which a run started outlives the run.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Container
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_ROUNDS = 100  # of killing processes that still fork
_KIB = 1024


def memory_of(field: str, pid: int | str = "self") -> int | None:
    """Return a field of /proc/PID/status (VmRSS, VmHWM, VmData) in bytes; None if unknown."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            text = file.read()
    except OSError:
        return _resident(pid) if field == "VmRSS" else None
    at = text.find(field.encode() + b":")
    return int(text[at : at + 60].split()[1]) * _KIB if at >= 0 else None


def _resident(pid: int | str) -> int | None:
    """Return the bytes of the resident set on a system without /proc."""
    import psutil

    try:
        return psutil.Process(None if pid == "self" else int(pid)).memory_info().rss
    except psutil.Error:
        return None


def peak_rss() -> int:
    """Return the peak resident memory in bytes since the last successful `reset_peak`."""
    return memory_of("VmHWM") or 0


def reset_peak() -> bool:
    """Make the present resident memory the peak. Return False if the system cannot."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return False
    return True


def trim_heap() -> None:
    """Return freed memory to the system, so that it does not count as used (glibc only)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def die_with_parent(by: int = signal.SIGKILL) -> None:
    """Have the kernel send a signal when the parent dies, even by kill -9 (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, by)


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent dies, in any session (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_children(spared: Container[int] = ()) -> None:
    """Kill the children of this process except some, then the children of these, and so on."""
    for _ in range(_ROUNDS):
        others = [pid for pid in _children() if pid not in spared]
        if not others:
            return
        for pid in others:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        for pid in others:
            with suppress(OSError):
                os.waitpid(pid, 0)


def _children() -> list[int]:
    """Return the ids of child processes; the main thread is the one that forks."""
    pid = os.getpid()
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def threads() -> int:
    """Return the number of threads of this process, with those of libraries; 1 if unknown."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1


def kernel_kills() -> int:
    """Return how many processes the kernel has killed for lack of memory on this machine."""
    try:
        words = Path("/proc/vmstat").read_text().split()
        return int(words[words.index("oom_kill") + 1])
    except (OSError, ValueError):
        return 0
