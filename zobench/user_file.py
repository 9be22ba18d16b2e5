"""A Python file of the user's, loaded once for each content."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from zobench.errors import BadInput, not_installed

_PREFIX = "zobench_user_"  # how modules of users' files are named


def is_users(module: str) -> bool:
    """Is it the name of a module that was loaded here?"""
    return module.startswith(_PREFIX)


def load(path: Path, wanted: str) -> tuple[ModuleType, str]:
    """(the module, SHA-256 of its file); `wanted` is what is looked for. Raises BadInput."""
    if not path.is_file():
        raise BadInput(f"no file {str(path)!r} to take {wanted} from")
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    name = f"{_PREFIX}{path.stem}_{content[:12]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            syntax = isinstance(error, SyntaxError)
            where, said = (f" line {error.lineno}", error.msg) if syntax else ("", error)
            if isinstance(error, ModuleNotFoundError):
                said = not_installed(error)
            raise BadInput(f"{path}{where}: {type(error).__name__}: {said}") from error
    return sys.modules[name], content
