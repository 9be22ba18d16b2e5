"""Pages of files in a fork: put back, so that its memory compares with that of a fresh process.

A fork begins without the pages of libraries that its parent had in use; it would gain them one by
one, and they would look like memory that its run takes. Linux only (5.14 or later).
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from contextlib import suppress

import numpy as np

Range = tuple[int, int]  # address, bytes

_POPULATE_READ = 22  # madvise: map the pages, as if read
_PRESENT = np.uint64(1 << 63)  # of an entry of /proc/self/pagemap
_PAGE = mmap.PAGESIZE


def file_pages() -> list[Range]:
    """Return the address ranges where pages of files are mapped in this process."""
    ranges: list[Range] = []
    if sys.platform != "linux":
        return ranges
    with (
        suppress(OSError),
        open("/proc/self/maps") as maps,
        open("/proc/self/pagemap", "rb") as map,
    ):
        for line in maps:
            span, rights, _, _, inode = line.split()[:5]
            if inode == "0" or rights[0] != "r":
                continue
            first, last = (int(end, 16) // _PAGE for end in span.split("-"))
            map.seek(8 * first)
            entries = np.frombuffer(map.read(8 * (last - first)), np.uint64)
            here = np.concatenate([[0], (entries & _PRESENT) != 0, [0]])
            edges = np.flatnonzero(np.diff(here.astype(np.int8)))
            for a, b in edges.reshape(-1, 2).tolist():
                ranges.append(((first + a) * _PAGE, (b - a) * _PAGE))
    return ranges


def map_pages(ranges: list[Range]) -> None:
    """Map these pages again, as they were in the parent."""
    if not ranges:
        return
    madvise = ctypes.CDLL(None).madvise
    for address, length in ranges:
        madvise(ctypes.c_void_p(address), ctypes.c_size_t(length), _POPULATE_READ)
