"""Errors that a user can mend. Each is one line: what was wrong, what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BadInput(ValueError):  # noqa: N818 - it names the input, not the code
    """Something the user wrote is wrong; the command line prints it and exits with status 2."""


class Unsuitable(Exception):  # noqa: N818 - a fact about a pair, not a fault
    """An estimator cannot run on a problem; the run is recorded as skipped with this reason."""


class MissingPackage(Exception):  # noqa: N818 - a fact about the machine, not a fault
    """A package that an element needs is not installed; args: the package, what to install."""


def unknown(kind: str, name: str, known: Iterable[str]) -> BadInput:
    """The error for a name that does not exist, with a near one or all that do."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return BadInput(f"no {kind} named {name!r}; {hint}")
