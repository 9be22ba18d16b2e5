"""Errors that a user can mend: one line that states what was wrong and what would be right."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterable

from zobench.beside import module_beside

LONGEST = 300  # characters of a reason
MANY, FEW = 60, 5  # names: a message lists at most MANY, and FEW of more


class BadInput(ValueError):  # noqa: N818 - it names the input, not the code
    """Something that the user wrote is wrong: in a command, a file, or an argument.

    The message is one line: what was wrong, and what would be right. The command line prints it and
    exits with status 2.

    Example:
        >>> import zobench
        >>> try:
        ...     zobench.make("mezzo")
        ... except zobench.BadInput as error:
        ...     print(error)
        no estimator named 'mezzo'; did you mean 'mezo'?
    """


class Unsuitable(Exception):  # noqa: N818 - a fact about a pair, not a fault
    """An estimator cannot run on a problem: the run is recorded as skipped, with this reason.

    An estimator raises it from `start`, where it meets the point.

    Example:
        >>> from zobench import Unsuitable
        >>> class Small:
        ...     def start(self, params, seed):
        ...         if params.size > 100:
        ...             raise Unsuitable(f"takes at most 100 coordinates, not {params.size:,}")
    """


class MissingPackage(Exception):  # noqa: N818 - a fact about the machine, not a fault
    """A package that an element needs is not installed: its runs are recorded as skipped.

    Arguments: the package, and what to `pip install`.

    Example:
        >>> from zobench import MissingPackage
        >>> MissingPackage("cma", "cma").args
        ('cma', 'cma')
    """


class Missing(Exception):  # noqa: N818 - it names what is missing, not the code
    """Planned runs are not stored in the end; the command prints it and exits with status 1."""


def not_installed(error: ModuleNotFoundError) -> str:
    """Return the message for a module that some code imports and that does not exist.

    `pip install` is advice for packages alone: for another name, it may install a stranger's code.
    """
    package, dot, _ = (error.name or "").partition(".")
    if dot and sys.modules.get(package) is not None:  # it is installed: it was imported
        return f"{package} has no module {error.name}"
    if package in sys.stdlib_module_names:
        return f"this Python lacks {error.name}, a module of its standard library"
    if module := module_beside(error):
        own, other = map(os.path.basename, (module.imported_in, module.path))
        if module.package:
            return (
                f"{other} lies beside {own}, in the package {module.package}: if it is meant, "
                f"write from {module.package} import {package}; else install {package!r}"
            )
        return (
            f"{other} lies beside {own}, in a folder that is not on sys.path: above the import, "
            "write import os, sys; sys.path.insert(0, os.path.dirname(__file__))"
        )
    return f"needs the package {package!r}: pip install {package}" if package else str(error)


def error_text(error: BaseException) -> str:
    """Return the text of an exception, also of one whose own method fails."""
    try:
        return str(error)
    except BaseException as second:
        return f"its text cannot be read: {type(second).__name__}"


def one_line(text: str, end: str = "") -> str:
    """Put a text on one line of bounded length, followed by `end`; all of it can be written."""
    text, end = (t.encode("utf-8", "backslashreplace").decode() for t in (text, end))
    text = re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text).strip()
    return (text if len(text) <= LONGEST else text[: LONGEST - 3] + "...") + end


def unknown(kind: str, name: str, existing: Iterable[str]) -> BadInput:
    """Return the error for an unknown name, with a similar name, or with those that exist."""
    names = list(existing)
    similar = difflib.get_close_matches(name, names, n=1)
    if similar:
        hint = f"did you mean {similar[0]!r}?"
    elif len(names) <= MANY:
        hint = f"known: {', '.join(names)}"
    else:
        few = difflib.get_close_matches(name, names, n=FEW, cutoff=0.3) or sorted(names)[:FEW]
        hint = f"known: {', '.join(few)} and {len(names) - len(few)} more"
    return BadInput(f"no {kind} named {name!r}; {hint}")


def check_printable(text: str, title: str = "a name") -> None:
    """Raise BadInput if `text` has characters that do not print: a terminal may obey them."""
    if not text.isprintable():
        raise BadInput(f"{title} holds characters that do not print: {text[:60]!r}")
