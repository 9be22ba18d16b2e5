"""The figure of what tuning finds with fewer trials, of a report and of the page of boards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from zobench.results.tuning_curves import TuningCurve


def tuning_data(curves: Iterable[TuningCurve]) -> list[dict[str, Any]]:
    """Return, per group of problems and goal, the curves: [trials, mean, low, high] per point.

    Costs become what readers know: expected queries, or log_area.
    """
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for curve in curves:
        points = [
            [best.trials, *(_known(cost, curve.goal) for cost in (best.mean, best.low, best.high))]
            for best in curve.best
        ]
        key = curve.suite, curve.group, curve.goal
        groups.setdefault(key, []).append({"name": curve.estimator, "points": points})
    return [
        {"suite": suite, "group": group, "goal": goal, "curves": lines}
        for (suite, group, goal), lines in groups.items()
    ]


def tuning_frame(curves: Iterable[TuningCurve]) -> pd.DataFrame:
    """Return the same numbers as a data frame, one row per point."""
    columns = ["suite", "group", "goal", "estimator", "trials", "mean", "low", "high"]
    rows = [
        (data["suite"], data["group"], data["goal"], line["name"], *point)
        for data in tuning_data(curves)
        for line in data["curves"]
        for point in line["points"]
    ]
    return pd.DataFrame(rows, columns=pd.Index(columns))


def _known(cost: float, goal: str) -> float:
    return float(f"{1 - cost if goal == 'area' else 10**cost:.4g}")
