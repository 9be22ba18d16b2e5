"""Many seeds at once, by NumPy: commands that only plan runs start without it."""

from __future__ import annotations

import numpy as np

from zobench.core.seeds import FIRST, MASK, SECOND, STEP, fold

_STEP_64, _FIRST_64, _SECOND_64 = np.uint64(STEP), np.uint64(FIRST), np.uint64(SECOND)
_30, _27, _31, _1 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(1)


def fold_range(seed: int, start: int, stop: int) -> list[int]:
    """Return [fold(seed, start), ..., fold(seed, stop - 1)], in less time than one by one."""
    if not 0 <= start <= stop <= MASK:
        return [fold(seed, value) for value in range(start, stop)]
    mixed = np.arange(start + 1, stop + 1, dtype=np.uint64)
    mixed *= _STEP_64
    mixed += np.uint64(seed & MASK)
    mixed ^= mixed >> _30
    mixed *= _FIRST_64
    mixed ^= mixed >> _27
    mixed *= _SECOND_64
    mixed ^= mixed >> _31
    return (mixed >> _1).tolist()
