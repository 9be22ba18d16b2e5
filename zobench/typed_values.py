"""The values of a command's options and arguments, converted without pydantic where that is clear.

Typer converts every value with pydantic, which takes more time to load than typer itself. A value
that this file does not convert, or that is wrong, is left to typer, with typer's messages.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, get_args, get_origin

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,15})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,15})?(e[+-]?[0-9]{1,2})?")
_DEFAULTS = {  # settings of an option with which its values are not checked
    "min": None,
    "max": None,
    "parser": None,
    "exists": False,
    "file_okay": True,
    "dir_okay": True,
    "writable": False,
    "resolve_path": False,
    "allow_dash": False,
    "path_type": None,
}


class NotClear(Exception):  # noqa: N818 - a fact about a value
    """A value is to be converted by typer."""


class TypedValues:
    """Converts the values of one option, in the place of typer's own object with `coerce`."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value in its type. Raise typer's BadParameter for a value that has none."""
        try:
            if value is None:
                return () if param.multiple or param.nargs == -1 else None
            if get_origin(self.kind) is list:
                if not isinstance(value, (list, tuple)):
                    raise NotClear
                (kind,) = get_args(self.kind)
                return [converted(kind, item) for item in value]
            return converted(self.kind, value)
        except NotClear:
            from typer._coercion import build_runtime_param

            return build_runtime_param(param.type_descriptor).coerce(value, param, ctx)


def converted(kind: Any, value: Any) -> Any:
    """Return a value in a type. Raise NotClear if typer has to look at it."""
    if kind in (str, int, float, bool) and type(value) is kind:
        return value
    if isinstance(value, str):
        if kind is int and _WHOLE.fullmatch(value):
            return int(value)
        if kind is float and _DECIMAL.fullmatch(value):
            return float(value)
    if kind is Path and isinstance(value, (str, Path)) and _is_readable_or_new(value):
        return Path(value)
    raise NotClear


def _is_readable_or_new(path: str | Path) -> bool:
    return "\0" not in str(path) and (os.access(path, os.R_OK) or not os.path.exists(path))


def prepared(parameters: list[Any]) -> list[Any]:
    """Let the parameters of a command convert their values by `TypedValues`, and return them.

    Versions of typer without the attributes that are set here convert all values themselves.
    """
    for parameter in parameters:
        descriptor = getattr(parameter, "type_descriptor", None)
        if descriptor is None or getattr(parameter, "_runtime_param", 0) is not None:
            continue
        info = descriptor.parameter_info
        if all(getattr(info, key, value) == value for key, value in _DEFAULTS.items()):
            parameter._runtime_param = TypedValues(descriptor.annotation)
    return parameters
