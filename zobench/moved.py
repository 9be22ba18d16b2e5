"""Old names of modules that have moved, so that files written for an earlier zobench still load.

Importing one of them works until version 0.4 and gives a DeprecationWarning that names the public
name to use. Only what earlier documents named, or files of users are known to import, stands here.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {  # old name -> new name, both inside zobench
    "api.comparison": "api.comparing",
    "api.interchange": "results.exchange",
    "api.leaderboard": "leaderboard.export",
    "api.making": "running.making",
    "api.report": "report.write",
    "api.stored": "results.stored",
    "core.groups": "engine.groups",
    "core.module": "engine.tensors",
    "core.prefix": "engine.prefix",
    "core.scratch": "engine.scratch",
    "harness.asked": "harness.plan_rows",
    "harness.chosen": "harness.estimator_spec",
    "harness.place": "harness.results_file",
    "objectives.llm.realisation": "engine.realise",
    "optim.realise": "optim.realisation",
    "optim.subject": "optim.trained",
}
UNTIL = "0.4"


class _Alias:
    """A loader that gives the module of the new name under the old one."""

    def __init__(self, name: str) -> None:
        self.name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.name)
        self.spec = module.__spec__  # the import system writes the old name over it
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the module was executed under its new name."""
        module.__spec__ = self.spec


class _OldNames:
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, inner = fullname.partition(".")
        if package != "zobench" or inner not in MOVED:
            return None
        warnings.warn(
            f"{fullname} has moved and goes in zobench {UNTIL}: import its names from zobench",
            DeprecationWarning,
            stacklevel=2,
        )
        return ModuleSpec(fullname, _Alias(f"zobench.{MOVED[inner]}"))  # pyright: ignore


def install() -> None:
    """Find modules by their old names too; a module that exists comes first."""
    if not any(type(finder).__name__ == _OldNames.__name__ for finder in sys.meta_path):
        sys.meta_path.append(_OldNames())  # pyright: ignore[reportArgumentType]
