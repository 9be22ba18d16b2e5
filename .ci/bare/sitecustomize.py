"""Hide packages that a machine with a GPU may lack: with this folder on PYTHONPATH, none loads."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

HIDDEN = ("rich", "cma", "nevergrad", "cocoex", "gymnasium")


class BareFinder(PathFinder):
    """Finds the modules that are installed, but for the hidden ones."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module is, None for a hidden one."""
        is_hidden = name.partition(".")[0] in HIDDEN
        return None if is_hidden else super().find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = BareFinder
