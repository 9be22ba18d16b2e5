"""What was left to do: the lowest score of each run after a number of queries, from traces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


class Left:
    """Looks up scores in traces; as fine as traces are, so at worst a bit too high."""

    def __init__(self, traces: pd.DataFrame, kinds: dict[str, str]) -> None:
        """`kinds`: run_key -> "current" or "best", which score counts."""
        codes, keys = pd.factorize(traces["run_key"])
        self.places = {str(key): place for place, key in enumerate(keys)}
        queries = traces["queries"].to_numpy(float)
        order = np.lexsort((queries, codes))
        self.run, self.queries = codes[order], queries[order]
        best = np.array([kinds.get(str(key)) == "best" for key in keys], bool)[self.run]
        score, seen = (traces[name].to_numpy(float)[order] for name in ("score", "best"))
        self.low = np.where(best, seen, score)
        for part in np.split(self.low, np.flatnonzero(np.diff(self.run)) + 1):
            np.fmin.accumulate(part, out=part)

    def at(self, run_keys: Sequence[str], queries: float | np.ndarray) -> np.ndarray:
        """(n,) the lowest score of each run within `queries`; NaN where none is known.

        `queries` may be one number a run: many lookups at once are far quicker than one by one.
        """
        run = np.array([self.places.get(key, -1) for key in run_keys], int)
        many, found = len(self.run), np.full(len(run), np.nan)
        # rows and lookups in one order, a lookup behind the rows that it may see
        within = np.append(self.queries, np.broadcast_to(queries, run.shape))
        late = np.arange(len(within)) >= many
        order = np.lexsort((late, within, np.append(self.run, run)))
        seen = np.cumsum(order < many)[order >= many] - 1  # the last row before each lookup
        lookup = order[order >= many] - many
        known = seen >= 0
        known[known] = self.run[seen[known]] == run[lookup[known]]
        found[lookup[known]] = self.low[seen[known]]
        return found
