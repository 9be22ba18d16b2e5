"""Make estimators and problems by name, for your own loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zobench.registry import estimators, objectives

if TYPE_CHECKING:
    from zobench.core.estimator import Estimator
    from zobench.core.problem import Problem


def make(name: str, /, **settings: Any) -> Estimator:
    """Make an estimator by its name.

    Args:
        name: an entry such as "spsa", or "path/to/file.py:Name".
        settings: settings that replace the defaults of the estimator.

    Returns:
        A new estimator. Call `estimator.start(params, seed)` once, then
        `estimator.step(evaluate)` once per step.

    Raises:
        BadInput: the name or a setting is unknown, or a value has the wrong type.

    Example:
        >>> import zobench
        >>> problem = zobench.problem("sphere", dim=10)
        >>> estimator = zobench.make("spsa", lr=0.05)
        >>> estimator.start(problem.start(seed=1), seed=1)
        >>> evaluate = zobench.Oracle(problem, budget=1000, seed=1)
        >>> for _ in range(500):  # spsa makes two queries per step
        ...     estimator.step(evaluate)
        >>> evaluate.queries, problem.score()["gap"] < 1e-3
        (1000, True)
    """
    return estimators[name].build(settings)


def problem(name: str, /, **settings: Any) -> Problem:
    """Make a problem: an objective by its name, or a problem of a suite.

    Args:
        name: a registered objective, "path/to/file.py:Name", or "suite:problem id", such as
            "bbob:f1-d10".
        settings: settings that replace those of the suite, or the defaults of the objective.

    Returns:
        A new problem. `problem.start(seed)` returns the point to improve, `zobench.Oracle` counts
        the queries, and `problem.score()` scores the point without a query.

    Raises:
        BadInput: the name or a setting is unknown, or a value has the wrong type.

    Example:
        >>> import zobench
        >>> problem = zobench.problem("smoke:sphere-d10")
        >>> problem.start(seed=0).size
        10
    """
    suite, _, id = name.rpartition(":")
    if not suite or objectives.is_file(name):
        return objectives[name].build(settings)
    from zobench.harness.suite_file import load

    spec = load(suite).problem(id)
    return objectives[spec.objective].build(spec.settings_of(0) | settings)
