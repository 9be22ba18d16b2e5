"""Errors that a user can mend. Each is one line: what was wrong, what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MANY, FEW = 60, 5  # names: more than so many are not listed; so many stand for them


class BadInput(ValueError):  # noqa: N818 - it names the input, not the code
    """Something the user wrote is wrong; the command line prints it and exits with status 2."""


class Unsuitable(Exception):  # noqa: N818 - a fact about a pair, not a fault
    """An estimator cannot run on a problem; the run is recorded as skipped with this reason."""


class MissingPackage(Exception):  # noqa: N818 - a fact about the machine, not a fault
    """A package that an element needs is not installed; args: the package, what to install."""


class Missing(Exception):  # noqa: N818 - it names what is missing, not the code
    """Runs that were asked for are not stored; the command line prints it and exits with 1."""


def not_installed(error: ModuleNotFoundError) -> str:
    """The line for a module that some code imports and that is not there."""
    package = (error.name or "").partition(".")[0]
    if package == "zobench":  # it is here: this code runs
        return f"zobench has no module {error.name}"
    return f"needs the package {package!r}: pip install {package}" if package else str(error)


def said_by(error: BaseException) -> str:
    """The text of an exception, also of one that cannot say it."""
    try:
        return str(error)
    except BaseException as second:
        return f"its text cannot be had: {type(second).__name__}"


def unknown(kind: str, name: str, known: Iterable[str]) -> BadInput:
    """The error for a name that does not exist, with a near one, or all, or some of very many."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        hint = f"did you mean {near[0]!r}?"
    elif len(known) <= MANY:
        hint = f"known: {', '.join(known)}"
    else:
        some = difflib.get_close_matches(name, known, n=FEW, cutoff=0.3) or sorted(known)[:FEW]
        hint = f"known: {', '.join(some)} and {len(known) - len(some)} more"
    return BadInput(f"no {kind} named {name!r}; {hint}")


def check_printable(text: str, what: str = "a name") -> None:
    """Raises BadInput where `text` holds characters that do not print, such as a terminal obeys."""
    if not text.isprintable():
        raise BadInput(f"{what} holds characters that do not print: {text[:60]!r}")
