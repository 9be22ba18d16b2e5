"""How a run ended: an exception becomes a status and one line."""

from __future__ import annotations

import os
import re
import sysconfig
import traceback
from pathlib import Path

import zobench
from zobench.core.estimator import Finished
from zobench.core.oracle import BudgetExhausted, Diverged, Unstoppable
from zobench.errors import BadInput, MissingPackage, Unsuitable, not_installed, said_by

LONGEST = 300  # characters of a reason
_PACKAGE = str(Path(zobench.__file__).parent) + os.sep
_OURS = tuple(_PACKAGE + part for part in ("core" + os.sep, "harness" + os.sep, "registry.py"))
_LIBRARIES = tuple({sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib")})


class LastTarget(BudgetExhausted):
    """The last target of the scored kind was reached: the normal end of a good run."""


class OutOfTime(BaseException):
    """The wall-clock limit passed. Not an Exception, so that estimators do not swallow it."""


def outcome(error: BaseException, queries: int, budget: int) -> tuple[str, str]:
    """(status, reason) for what ended a run after `queries` queries."""
    said = said_by(error)
    if isinstance(error, LastTarget):
        return "target", ""
    if isinstance(error, BudgetExhausted):
        return ("budget", "") if queries else ("skipped", f"{said}, the budget is {budget}")
    if isinstance(error, Finished):
        return "ok", one_line(said)
    if isinstance(error, Diverged):
        return "diverged", one_line(said)
    if isinstance(error, Unsuitable):
        return "skipped", one_line(said)
    if package := missing_package(error):
        install = one_line(str(error.args[-1]))
        return "skipped", f"needs the package {package!r}: pip install {install}"
    if isinstance(error, OutOfTime):
        return "timeout", said
    if is_memory(error):
        return "oom", one_line(said) or "out of memory"
    if isinstance(error, BadInput | Unstoppable):
        return "failed", one_line(said)
    if isinstance(error, ModuleNotFoundError):
        return "failed", one_line(not_installed(error), _where(error))
    name = type(error).__name__
    return "failed", one_line(f"{name}: {said}" if said else name, _where(error))


def not_ours(error: BaseException) -> BadInput:
    """What failed where code of an element raises an end of the run that only zobench declares."""
    name, said = type(error).__name__, said_by(error)
    said = f" ({said})" if said else ""
    return BadInput(
        f"the code of an element raised {name} itself{said}{_where(error)}; "
        "an estimator that has finished raises zobench.core.estimator.Finished"
    )


def missing_package(error: BaseException) -> str:
    """The package that an element needs and that is not installed; "" of any other error."""
    if not isinstance(error, MissingPackage) or not error.args:
        return ""
    return one_line(str(error.args[0]))


def is_memory(error: BaseException) -> bool:
    """Did an allocation fail? PyTorch reports that as a RuntimeError, told by its text."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and any(
            s in said_by(error)
            for s in ("can't allocate memory", "not enough memory", "out of memory", "alloc_cpu")
        )
    )


def one_line(text: str, end: str = "") -> str:
    """The text on one line of bounded length, and then `end`; without what no file takes."""
    text, end = (t.encode("utf-8", "backslashreplace").decode() for t in (text, end))
    text = re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text).strip()
    return (text if len(text) <= LONGEST else text[: LONGEST - 3] + "...") + end


def _where(error: BaseException) -> str:
    """File and line of the innermost frame: of the user's, else of an element's, else of any."""
    frames = traceback.extract_tb(error.__traceback__)
    elements = [f for f in frames if not f.filename.startswith(_OURS)]
    users = [f for f in elements if not f.filename.startswith((_PACKAGE, "<", *_LIBRARIES))]
    own = [f for f in elements if f.filename.startswith(_PACKAGE)]
    innermost = (users or own or frames)[-1:]
    return "".join(f" ({_short(f.filename)}:{f.lineno})" for f in innermost)


def _short(path: str) -> str:
    """The path from the working folder where it lies below it, else the file's name."""
    try:
        here = os.getcwd() + os.sep
    except OSError:  # the run has removed it
        here = os.sep * 2
    return path[len(here) :] if path.startswith(here) else Path(path).name
