"""The lowest score of each run within a number of queries, from traces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


class LowestScores:
    """Looks up scores in traces. Between two points of a trace they may be a bit too high."""

    def __init__(self, traces: pd.DataFrame, kinds: dict[str, str]) -> None:
        """Sort the traces.

        Args:
            traces: the traces of all runs, as in `harness.tables`.
            kinds: run_key -> "current" or "best": the score that counts.
        """
        codes, keys = pd.factorize(traces["run_key"])
        self.numbers = {str(key): number for number, key in enumerate(keys)}
        queries = traces["queries"].to_numpy(float)
        order = np.lexsort((queries, codes))
        self.run, self.queries = codes[order], queries[order]
        is_best = np.array([kinds.get(str(key)) == "best" for key in keys], bool)[self.run]
        current, best = (traces[name].to_numpy(float)[order] for name in ("score", "best"))
        self.low = np.where(is_best, best, current)
        for part in np.split(self.low, np.flatnonzero(np.diff(self.run)) + 1):
            np.fmin.accumulate(part, out=part)

    def at(self, run_keys: Sequence[str], queries: float | np.ndarray) -> np.ndarray:
        """Return the lowest score of each run within `queries`, (n,); NaN if there is none.

        Args:
            run_keys: the runs, n of them. Many lookups in one call are far quicker than many calls.
            queries: one number for all runs, or one per run, (n,).
        """
        run = np.array([self.numbers.get(key, -1) for key in run_keys], int)
        count, scores = len(self.run), np.full(len(run), np.nan)
        # rows and lookups in one order, a lookup after the rows within its queries
        within = np.append(self.queries, np.broadcast_to(queries, run.shape))
        is_lookup = np.arange(len(within)) >= count
        order = np.lexsort((is_lookup, within, np.append(self.run, run)))
        row = np.cumsum(order < count)[order >= count] - 1  # the last row before each lookup
        lookup = order[order >= count] - count
        exists = row >= 0
        exists[exists] = self.run[row[exists]] == run[lookup[exists]]
        scores[lookup[exists]] = self.low[row[exists]]
        return scores
