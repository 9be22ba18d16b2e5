"""Several threads on one job: those of torch where they can be used, else threads of our own.

After an operation, torch's OpenMP threads wait for the next one at full speed for milliseconds.
Other threads beside them would get half a core each; the waiting ones start at once.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

from zobench.core.noise.native import Kernel
from zobench.core.noise.threads import pool


def together(work: Kernel, job: int, threads: int) -> None:
    """Call a kernel with the address of a job on each of the threads."""
    parallel = _torchs() if "torch" in sys.modules and not _forked else None
    if parallel is not None:
        parallel(work, job, threads, 0)
        return
    for call in [pool(threads).submit(work, job) for _ in range(threads)]:
        call.result()


@functools.cache
def _torchs() -> Callable[[Kernel, int, int, int], None] | None:
    """GOMP_parallel(function, data, threads, flags) of the OpenMP library that torch loaded.

    None where it is another library than GNU's or one that answers to its names.
    """
    if sys.platform != "linux":
        return None
    beside = Path(sys.modules["torch"].__file__ or "").parent / "lib"
    found = [str(path) for path in sorted(beside.glob("libgomp*.so*"))]
    try:
        parallel = ctypes.CDLL(found[0] if found else None).GOMP_parallel
    except (OSError, AttributeError):
        return None
    parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    parallel.restype = None
    return parallel


_forked: list[bool] = []  # not empty: a forked child, where that library would wait forever

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _forked.append(True))
