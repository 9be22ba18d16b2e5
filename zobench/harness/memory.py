"""Memory that was freed and is still held: given back, so that it does not add to what comes next.

The C library and pyarrow keep what large tables leave behind, some hundred MiB with many runs.
"""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Return freed memory to the system, where the libraries in use have a way to do so."""
    if (pyarrow := sys.modules.get("pyarrow")) is not None:
        pyarrow.default_memory_pool().release_unused()
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)
