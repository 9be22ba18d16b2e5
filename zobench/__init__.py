"""zobench: zeroth-order optimization, benchmarked in queries, seconds and memory.

The names in `__all__` are the public surface: all that a user imports, each loaded when it is first
used. Everything else is private and may change in any release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zobench import registry as registry
    from zobench import testing as testing
    from zobench.api.comparing import compare as compare
    from zobench.api.comparing import run as run
    from zobench.api.factory import make as make
    from zobench.api.factory import problem as problem
    from zobench.core import directions as directions
    from zobench.core import rules as rules
    from zobench.core import samplers as samplers
    from zobench.core import schedules as schedules
    from zobench.core import schemes as schemes
    from zobench.core.directions import Block as Block
    from zobench.core.directions import Coordinate as Coordinate
    from zobench.core.directions import Dense as Dense
    from zobench.core.directions import Direction as Direction
    from zobench.core.directions import LowRank as LowRank
    from zobench.core.directions import Noise as Noise
    from zobench.core.directions import Probe as Probe
    from zobench.core.directions import Recipe as Recipe
    from zobench.core.directions import Restricted as Restricted
    from zobench.core.directions import Term as Term
    from zobench.core.estimator import ComposedEstimator as ComposedEstimator
    from zobench.core.estimator import Estimator as Estimator
    from zobench.core.estimator import Finished as Finished
    from zobench.core.fixed import locked as locked
    from zobench.core.oracle import BudgetExhausted as BudgetExhausted
    from zobench.core.oracle import Diverged as Diverged
    from zobench.core.oracle import Oracle as Oracle
    from zobench.core.params import Group as Group
    from zobench.core.params import Params as Params
    from zobench.core.problem import InPlaceProblem as InPlaceProblem
    from zobench.core.problem import Problem as Problem
    from zobench.core.problem import VectorProblem as VectorProblem
    from zobench.core.schemes import Evaluate as Evaluate
    from zobench.core.seeds import fold as fold
    from zobench.core.vector import VectorParams as VectorParams
    from zobench.engine.realise import realise as realise
    from zobench.engine.tensors import TensorParams as TensorParams
    from zobench.errors import BadInput as BadInput
    from zobench.errors import MissingPackage as MissingPackage
    from zobench.errors import Unsuitable as Unsuitable
    from zobench.objectives.llm.tasks import Task as Task
    from zobench.objectives.prompt.black_box import BlackBox as BlackBox
    from zobench.objectives.prompt.service import Service as Service
    from zobench.objectives.rl.problem import PolicySearch as PolicySearch
    from zobench.optim.optimizer import ZerothOrder as ZerothOrder
    from zobench.optim.trainer import ZerothOrderTrainer as ZerothOrderTrainer
    from zobench.optim.trajectory import replay as replay
    from zobench.registry import Entry as Entry
    from zobench.registry import estimator as estimator
    from zobench.registry import objective as objective
    from zobench.results.results import Results as Results
    from zobench.running.comparison import Comparison as Comparison

__version__ = "0.2.0"

_MODULES = {  # where each public name comes from; a name that ends with "." is a whole module
    "": ("registry.", "testing."),
    "api.comparing": ("compare", "run"),
    "api.factory": ("make", "problem"),
    "core": ("directions.", "rules.", "samplers.", "schedules.", "schemes."),
    "core.directions": (
        *("Block", "Coordinate", "Dense", "Direction", "LowRank", "Noise", "Probe", "Recipe"),
        *("Restricted", "Term"),
    ),
    "core.estimator": ("ComposedEstimator", "Estimator", "Finished"),
    "core.fixed": ("locked",),
    "engine.realise": ("realise",),
    "engine.tensors": ("TensorParams",),
    "core.oracle": ("BudgetExhausted", "Diverged", "Oracle"),
    "core.params": ("Group", "Params"),
    "core.problem": ("InPlaceProblem", "Problem", "VectorProblem"),
    "core.schemes": ("Evaluate",),
    "core.seeds": ("fold",),
    "core.vector": ("VectorParams",),
    "errors": ("BadInput", "MissingPackage", "Unsuitable"),
    "objectives.llm.tasks": ("Task",),
    "objectives.prompt.black_box": ("BlackBox",),
    "objectives.prompt.service": ("Service",),
    "objectives.rl.problem": ("PolicySearch",),
    "optim.optimizer": ("ZerothOrder",),
    "optim.trainer": ("ZerothOrderTrainer",),
    "optim.trajectory": ("replay",),
    "results.results": ("Results",),
    "running.comparison": ("Comparison",),
    "registry": ("Entry", "estimator", "objective"),
}
_HOMES = {name.rstrip("."): (home, name) for home, names in _MODULES.items() for name in names}
__all__ = ["__version__", *_HOMES]  # pyright: ignore[reportUnsupportedDunderAll]


if not TYPE_CHECKING:  # else type checkers take every name for a public one

    def __getattr__(name: str) -> Any:
        """Load a public name when it is first used."""
        if name not in _HOMES:
            raise AttributeError(f"module 'zobench' has no attribute {name!r}")
        from importlib import import_module

        home, inside = _HOMES[name]
        if inside.endswith("."):
            return import_module(".".join(filter(None, ("zobench", home, name))))
        value = getattr(import_module(f"zobench.{home}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _find_moved_modules() -> None:
    from zobench.moved import install

    install()


_find_moved_modules()
