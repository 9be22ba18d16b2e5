"""What was left to do: the lowest score of each run after a number of queries, from traces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


class Left:
    """Looks up scores in traces; as fine as traces are, so at worst a bit too high."""

    def __init__(self, traces: pd.DataFrame, kinds: dict[str, str]) -> None:
        """`kinds`: run_key -> "current" or "best", which score counts."""
        self.runs: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        ordered = traces.sort_values(["run_key", "queries"], kind="stable")
        for key, rows in ordered.groupby("run_key", sort=False):
            name = "best" if kinds.get(str(key)) == "best" else "score"
            low = np.fmin.accumulate(rows[name].to_numpy(float))
            self.runs[str(key)] = rows["queries"].to_numpy(float), low

    def at(self, run_keys: Sequence[str], queries: float) -> np.ndarray:
        """(n,) the lowest score of each run within `queries`; NaN where none is known."""
        return np.array([self._one(key, queries) for key in run_keys], float)

    def _one(self, key: str, queries: float) -> float:
        if key not in self.runs:
            return np.nan
        at, low = self.runs[key]
        place = int(np.searchsorted(at, queries, side="right")) - 1
        return float(low[place]) if place >= 0 else np.nan
