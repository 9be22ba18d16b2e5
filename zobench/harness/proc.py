"""What Linux tells of a process, and does for it: memory, kills, children. Elsewhere it is missing.

A child that is forked and never waited for belongs to init when its parent dies; `adopt_orphans`
makes it ours instead, so that nothing a run has started outlives the run.
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
_ROUNDS = 100  # of killing what still forks
_KIB = 1024


def memory_of(field: str, pid: int | str = "self") -> int | None:
    """Bytes of a field of /proc/<pid>/status (VmRSS, VmHWM, VmData), or None where unknown."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            text = file.read()
    except OSError:
        return _resident(pid) if field == "VmRSS" else None
    at = text.find(field.encode() + b":")
    return int(text[at : at + 60].split()[1]) * _KIB if at >= 0 else None


def _resident(pid: int | str) -> int | None:
    """Bytes of the resident set where there is no /proc."""
    import psutil

    try:
        return psutil.Process(None if pid == "self" else int(pid)).memory_info().rss
    except psutil.Error:
        return None


def peak_rss() -> int:
    """The largest resident set of this process since `reset_peak` was True, in bytes."""
    return memory_of("VmHWM") or 0


def reset_peak() -> bool:
    """Make the present resident set the peak. False where the system cannot."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return False
    return True


def trim_heap() -> None:
    """Give freed memory back to the system, so that it is not counted as used (glibc only)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def die_with_parent(by: int = signal.SIGKILL) -> None:
    """Have the kernel send this signal when the parent dies, even by kill -9 (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, by)


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent dies, whatever their session (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_children(spared: Container[int] = ()) -> None:
    """Kill the children of this process but for some, then those they leave behind, and so on."""
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
    """Process ids; those of the main thread, which is the one that forks."""
    pid = os.getpid()
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def threads() -> int:
    """Threads of this process, those of libraries included; 1 where unknown."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1


def kernel_kills() -> int:
    """How many processes the kernel has killed for lack of memory, on this machine, so far."""
    try:
        words = Path("/proc/vmstat").read_text().split()
        return int(words[words.index("oom_kill") + 1])
    except (OSError, ValueError):
        return 0
