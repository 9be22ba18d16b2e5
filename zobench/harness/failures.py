"""How runs end: an exception becomes a status and a reason of one line."""

from __future__ import annotations

import os
import sysconfig
import traceback
from pathlib import Path

import zobench
from zobench.core.estimator import Finished
from zobench.core.oracle import BudgetExhausted, Diverged, Unstoppable
from zobench.errors import BadInput, MissingPackage, Unsuitable, error_text, not_installed, one_line
from zobench.harness.limits import OutOfTime

_PACKAGE = str(Path(zobench.__file__).parent) + os.sep
_OURS = tuple(_PACKAGE + part for part in ("core" + os.sep, "harness" + os.sep, "registry.py"))
_LIBRARIES = tuple({sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib")})


class LastTarget(BudgetExhausted):
    """The run reached the last target of the scored kind."""


def outcome(error: BaseException, queries: int, budget: int) -> tuple[str, str]:
    """Return (status, reason) for the error that ended a run.

    Args:
        error: what was raised.
        queries: how many the run had made.
        budget: how many it may make.
    """
    text = error_text(error)
    if isinstance(error, LastTarget):
        return "target", ""
    if isinstance(error, BudgetExhausted):
        return ("budget", "") if queries else ("skipped", f"{text}, the budget is {budget}")
    if isinstance(error, Finished):
        return "ok", one_line(text)
    if isinstance(error, Diverged):
        return "diverged", one_line(text)
    if isinstance(error, Unsuitable):
        return "skipped", one_line(text)
    if package := missing_package(error):
        install = one_line(str(error.args[-1]))
        return "skipped", f"needs the package {package!r}: pip install {install}"
    if isinstance(error, OutOfTime):
        return "timeout", text
    if is_memory(error):
        return "oom", one_line(text) or "out of memory"
    if isinstance(error, BadInput | Unstoppable):
        return "failed", one_line(text)
    if isinstance(error, ModuleNotFoundError):
        return "failed", one_line(not_installed(error), _location(error))
    name = type(error).__name__
    return "failed", one_line(f"{name}: {text}" if text else name, _location(error))


def not_ours(error: BaseException) -> BadInput:
    """Return the error for code of an element that raises an end which only zobench declares."""
    name, text = type(error).__name__, error_text(error)
    text = f" ({text})" if text else ""
    return BadInput(
        f"the code of an element raised {name} itself{text}{_location(error)}; "
        "an estimator that has finished raises zobench.core.estimator.Finished"
    )


def missing_package(error: BaseException) -> str:
    """Return the package that is needed and not installed; "" for any other error."""
    if not isinstance(error, MissingPackage) or not error.args:
        return ""
    return one_line(str(error.args[0]))


def is_memory(error: BaseException) -> bool:
    """Return True if an allocation failed; PyTorch raises RuntimeError, recognised by its text."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and any(
            s in error_text(error)
            for s in ("can't allocate memory", "not enough memory", "out of memory", "alloc_cpu")
        )
    )


def _location(error: BaseException) -> str:
    """Return file and line of the innermost frame: of a user's file, an element, or any."""
    frames = traceback.extract_tb(error.__traceback__)
    elements = [f for f in frames if not f.filename.startswith(_OURS)]
    users = [f for f in elements if not f.filename.startswith((_PACKAGE, "<", *_LIBRARIES))]
    own = [f for f in elements if f.filename.startswith(_PACKAGE)]
    innermost = (users or own or frames)[-1:]
    return "".join(f" ({_short(f.filename)}:{f.lineno})" for f in innermost)


def _short(path: str) -> str:
    """Return the path from the working directory if it lies below that, else the file's name."""
    try:
        here = os.getcwd() + os.sep
    except OSError:  # the run has removed it
        here = os.sep * 2
    return path[len(here) :] if path.startswith(here) else Path(path).name
