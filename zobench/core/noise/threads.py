"""Slices of a large block over threads: kernels release the lock, and each slice replays alone."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from zobench.core.noise.layout import BITS_CHUNK

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

LEAST = 4 * BITS_CHUNK  # elements worth handing over: about 100 us of Gaussian noise
SLICES = 16  # per thread, so that a busy core does not delay the others


def slice_of(size: int, threads: int) -> int:
    """Return the number of elements of a slice of `size` elements: whole chunks of any law."""
    return -(-size // (SLICES * threads * BITS_CHUNK)) * BITS_CHUNK


def in_slices(work: Callable[[int, int], None], size: int, threads: int) -> None:
    """Call work(first, last) on parts that cover range(size), up to `threads` at a time.

    An exception of a part is raised after all parts have ended.
    """
    if threads <= 1 or size < 2 * LEAST:
        work(0, size)
        return
    step = max(LEAST, slice_of(size, threads))
    starts = range(0, size, step)
    parts = [pool(threads).submit(work, a, min(a + step, size)) for a in starts]
    errors = [error for part in parts if (error := part.exception())]
    if errors:
        raise errors[0]


@functools.cache
def pool(threads: int) -> ThreadPoolExecutor:
    """Return the pool of that number of threads, which is made once."""
    from concurrent.futures import ThreadPoolExecutor  # with much else: 10 ms

    return ThreadPoolExecutor(threads, thread_name_prefix="zobench-noise")


if hasattr(os, "register_at_fork"):  # a forked child has the pools but not their threads
    os.register_at_fork(after_in_child=pool.cache_clear)
