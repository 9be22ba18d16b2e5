"""Answers of a process that loads users' files: the facts of an entry, and what it refuses."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from zobench.core.schedules import Value
from zobench.errors import BadInput, error_text
from zobench.registry import Entry, Registry, estimators, objectives

REGISTRIES: dict[str, Registry] = {r.kind: r for r in (estimators, objectives)}
_FACTS = [field.name for field in fields(Entry) if field.name != "make"]


class Elsewhere:
    """Stands for a factory that another process has loaded; a call loads it here."""

    def __init__(self, registry: Registry, path: Path, name: str, facts: dict[str, Any]) -> None:
        self.registry, self.path, self.name = registry, path, name
        self.__doc__ = facts["doc"]
        self.__signature__ = inspect.Signature(
            [
                inspect.Parameter(
                    key,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=value,
                    annotation=Value if key in facts["varying"] else inspect.Parameter.empty,
                )
                for key, value in facts["defaults"].items()
            ]
        )

    def __call__(self, **settings: Any) -> Any:
        """Load the factory here, and call it."""
        return self.registry.from_file(self.path, self.name).make(**settings)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a request: "describe" gives the facts of an entry, "build" builds it.

    The answer to either may be why that is refused.
    """
    registry = REGISTRIES[request["kind"]]
    try:
        entry = registry[request["name"]]
        if request["do"] == "describe":
            return {"facts": _facts(entry)}
    except BadInput as error:
        return {"refused": error_text(error)}
    except BaseException as error:
        return {"refused": f"{request['name']}: {type(error).__name__}: {error_text(error)}"}
    try:
        entry.build(_plain(request["settings"]))
    except BadInput as error:
        return {"refused": error_text(error)}
    except BaseException:  # left to the run
        pass
    return {}


def entry_of(registry: Registry, path: Path, name: str, facts: dict[str, Any]) -> Entry:
    """Return the entry that another process has described."""
    values = {key: _plain(value) for key, value in facts.items()}
    make = Elsewhere(registry, path, name, values)
    return Entry(make=make, **{key: values[key] for key in _FACTS})


def coded(value: Any) -> Any:
    """Encode a value for JSON, which has no tuples. Raises BadInput for a type that JSON lacks."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return float(value) if isinstance(value, float) else int(value)
    if isinstance(value, tuple | list):
        parts = [coded(part) for part in value]
        return {"tuple": parts} if isinstance(value, tuple) else parts
    if isinstance(value, Mapping):
        return {"table": {str(key): coded(part) for key, part in value.items()}}
    raise BadInput(f"a {type(value).__name__}")


def _plain(value: Any) -> Any:
    """Decode a value of `coded`."""
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        if "tuple" in value:
            return tuple(_plain(part) for part in value["tuple"])
        return {key: _plain(part) for key, part in value["table"].items()}
    return value


def _facts(entry: Entry) -> dict[str, Any]:
    defaults = {}
    for key, value in entry.defaults.items():
        if value is inspect.Parameter.empty:
            raise BadInput(f"{entry.name}: setting {key!r} needs a default")
        try:
            defaults[key] = coded(value)
        except BadInput as error:
            raise BadInput(
                f"{entry.name}: the default of setting {key!r} is {error}; "
                "it must be a number, a word, true or false, or a list of these"
            ) from error
    facts = {name: coded(getattr(entry, name)) for name in _FACTS}
    facts |= {"defaults": {"table": defaults}, "varying": coded(entry.varying)}
    return facts | {"doc": inspect.getdoc(entry.make)}
