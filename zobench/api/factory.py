"""`zobench.make`: an estimator by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zobench.registry import estimators

if TYPE_CHECKING:
    from zobench.core.estimator import Estimator


def make(name: str, **settings: Any) -> Estimator:
    """The estimator of a registered name, or of "path/to/file.py:Name", with these settings.

    Others stay as they are by default. Use it as `estimator.start(params, seed)`, then
    `estimator.step(evaluate)` as often as wanted. Raises zobench.errors.BadInput on an unknown
    name or setting, or a value of a wrong type.
    """
    return estimators[name].build(settings)
