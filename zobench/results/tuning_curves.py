"""What each estimator would have found with fewer trials, from the records of its baselines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from zobench.analysis.best_of import BestOf, best_of
from zobench.errors import BadInput
from zobench.harness.baseline import read_baseline
from zobench.harness.plan import RunSpec
from zobench.registry import estimators


@dataclass(frozen=True)
class TuningCurve:
    """The best of 1, 2, 4, ... trials of an estimator on a group of problems of a suite.

    Attributes:
        suite: the suite.
        group: the group of problems.
        goal: "final" (costs are log10 of expected queries) or "area" (1 - log_area).
        estimator: its name in tables.
        best: by the number of trials.
    """

    suite: str
    group: str
    goal: str
    estimator: str
    best: Sequence[BestOf]


def tuning_curves(specs: Iterable[RunSpec]) -> list[TuningCurve]:
    """Return the curves of estimators whose runs have tuned settings.

    Estimators with settings of the user, or of a folder that is not zobench's, have none.
    """
    curves: dict[tuple[str, str, str], TuningCurve | None] = {}
    for spec in specs:
        suite = spec.problem.tuned_on or spec.suite
        key = suite, spec.problem.group, spec.estimator.text
        if key not in curves:
            settings = spec.estimator.settings
            origins = spec.estimator.settings_from
            tuned = {name: settings[name] for name, of in origins.items() if of == "baseline"}
            is_fixed = "user" in origins.values()
            curves[key] = None if is_fixed else tuning_curve(*key, spec.estimator.entry, tuned)
    return [curve for curve in curves.values() if curve]


def curves_of_rows(rows: Iterable[Mapping[str, str]]) -> list[TuningCurve]:
    """Return the curves of the tuned rows of leaderboards; no file that a row names is loaded."""
    cells = dict.fromkeys((row["suite"], row["group"], row["method"]) for row in rows
                          if row["track"] == "tuned" and row["first_order"] != "True")  # fmt: skip
    known = set(estimators)
    curves = [tuning_curve(*cell, cell[2]) for cell in cells if cell[2] in known]
    return [curve for curve in curves if curve]


def tuning_curve(
    suite: str, group: str, label: str, entry: str, tuned: dict[str, object] | None = None
) -> TuningCurve | None:
    """Return the curve of an estimator on a group of problems; None without a record of a search.

    Args:
        suite: the suite.
        group: the group of problems.
        label: the name of the estimator in tables.
        entry: its registered name.
        tuned: the settings that the record must have led to; None: any.
    """
    try:
        baseline = read_baseline(suite, entry)
        if tuned is not None and baseline.settings(group) != tuned:
            return None
        goal, costs = baseline.costs(group)
    except BadInput:  # an estimator that is not here, or a file that another command complains of
        return None
    return TuningCurve(suite, group, goal, label, best_of(costs)) if costs else None
