"""Seeds: many at once are those of one by one."""

from __future__ import annotations

import pytest

from zobench.core.seed_range import fold_range
from zobench.core.seeds import fold


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**62, 2**63 - 1, 2**64 - 1, -1])
@pytest.mark.parametrize("start", [0, 1, 1000, 2**32 - 3, 2**63 - 5, 2**64 - 9, 2**64 - 2, -2])
def test_a_range_of_folds_equals_one_by_one(seed, start):
    for count in (0, 1, 7, 40):
        stop = start + count
        assert fold_range(seed, start, stop) == [fold(seed, k) for k in range(start, stop)]
