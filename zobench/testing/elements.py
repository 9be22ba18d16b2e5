"""What a name stands for: an estimator, an objective, a suite, an environment or a judge."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from zobench import user_file
from zobench.core.problem import Problem
from zobench.errors import BadInput, unknown
from zobench.harness.suite_file import suite_files
from zobench.registry import Entry, estimators, objectives
from zobench.testing.contract import Subject

Kind = Literal["estimator", "objective", "suite", "environment", "judge"]
KINDS: tuple[str, ...] = get_args(Kind)
REGISTRIES = {registry.kind: registry for registry in (estimators, objectives)}


def subject_of(element: str | Entry, kind: str | None = None) -> Subject:
    """The element of a name or an entry. Raises BadInput."""
    if kind is not None and kind not in KINDS:
        raise unknown("kind of element", kind, KINDS)
    if isinstance(element, Entry):
        return Subject(kind or _kind_of(element), element.name, element)
    if user_file.file_of(element):
        return _from_file(element, kind)
    if kind == "suite" or element.endswith(".toml"):
        return Subject("suite", element, thing=element)
    found = [k for k, registry in REGISTRIES.items() if element in registry.load()]
    if element in suite_files():
        found.append("suite")
    if kind in found or (kind is None and len(found) == 1):
        chosen = kind or found[0]
        if chosen == "suite":
            return Subject("suite", element, thing=element)
        return Subject(chosen, element, REGISTRIES[chosen][element])
    if kind is None and found:
        raise BadInput(f"{element!r} is an {' and a '.join(found)}: say which with --kind")
    if kind in ("environment", "judge"):
        raise BadInput(f"{element!r}: an {kind} comes from a file, as in my.py:{element}")
    names = [name for registry in REGISTRIES.values() for name in registry.load()]
    raise unknown(kind or "element", element, [*names, *suite_files()])


def names_in(path: str) -> list[str]:
    """The names `path:name` of all that a file registers. Raises BadInput where it is nothing."""
    module, _ = user_file.load(Path(path), "its elements")
    found = [e.name for r in REGISTRIES.values() for e in r.of_module(module.__name__)]
    if not found:
        raise BadInput(f"{path} registers nothing: say what to check, as in {path}:name")
    return [f"{path}:{name}" for name in dict.fromkeys(found)]


def _kind_of(entry: Entry) -> str:
    for kind, registry in REGISTRIES.items():
        if registry.load().get(entry.name) is entry:
            return kind
    raise BadInput(f"{entry.name!r} is not registered: give its kind")


def _from_file(element: str, kind: str | None) -> Subject:
    path, _, name = element.rpartition(":")
    module, _ = user_file.load(Path(path), repr(name))
    entries = {k: r.of_module(module.__name__) for k, r in REGISTRIES.items()}
    known = [k for k, own in entries.items() if name in {entry.name for entry in own}]
    if kind is None and len(known) > 1:
        raise BadInput(f"{element} is an {' and an '.join(known)}: say which with --kind")
    if kind in REGISTRIES or (kind is None and known):
        chosen = kind or known[0]
        return Subject(chosen, element, REGISTRIES[chosen][element])
    thing = getattr(module, name, None)
    if not callable(thing):
        own = [entry.name for of_kind in entries.values() for entry in of_kind]
        raise BadInput(f"{path} has no {name!r}; " + (f"it registers {', '.join(own)}" if own else
                       "it registers nothing"))  # fmt: skip
    kind = kind or _guessed(element, thing)
    if kind in REGISTRIES:
        return Subject(kind, element, REGISTRIES[kind][element])
    return Subject(kind, element, thing=thing)


def _guessed(element: str, thing: Callable[..., Any]) -> str:
    """The kind of a class or function that is not registered."""
    if isinstance(thing, type) and hasattr(thing, "reset") and hasattr(thing, "step"):
        return "environment"
    parameters = inspect.signature(thing).parameters.values()
    plain = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    required = [p for p in parameters if p.default is p.empty and p.kind in plain]
    if len(required) == 1 and not isinstance(thing, type):
        return "judge"
    if required:
        raise BadInput(f"{element} takes {', '.join(p.name for p in required)} without defaults: "
                       "an estimator or an objective has a default for each setting, a judge one "
                       "parameter, the texts")  # fmt: skip
    made = thing()
    if hasattr(made, "start") and hasattr(made, "step"):
        return "estimator"
    if isinstance(made, Problem):
        return "objective"
    if hasattr(made, "reset") and hasattr(made, "step"):
        return "environment"
    raise BadInput(
        f"{element} makes a {type(made).__name__}, which is not an element: say what it is with "
        f"--kind ({', '.join(KINDS)})"
    )
