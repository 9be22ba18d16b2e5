"""Facts that Linux tells of a process: memory, its peak, kills. Elsewhere they are missing."""

from __future__ import annotations

import ctypes
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
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


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies, even by kill -9 (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def kernel_kills() -> int:
    """How many processes the kernel has killed for lack of memory, on this machine, so far."""
    try:
        words = Path("/proc/vmstat").read_text().split()
        return int(words[words.index("oom_kill") + 1])
    except (OSError, ValueError):
        return 0
