"""Find an element by its name: an estimator, objective, suite, environment or judge."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from zobench import user_file
from zobench.core.problem import Problem
from zobench.errors import BadInput, unknown
from zobench.harness.estimator_spec import split_settings
from zobench.harness.suite_file import suite_files
from zobench.registry import Entry, check_settings, estimators, objectives
from zobench.testing.contract import CheckSubject

Kind = Literal["estimator", "objective", "suite", "environment", "judge"]
KINDS: tuple[str, ...] = get_args(Kind)
REGISTRIES = {registry.kind: registry for registry in (estimators, objectives)}


def subject_of(element: str | Entry, kind: str | None = None) -> CheckSubject:
    """Return the element that a name or an entry stands for.

    A name may be followed by settings, `name:lr=0.1,n=4`. The checks then use them, and for the
    other settings those in `sanity`.

    Raises:
        BadInput: there is no such element, or it refuses a setting.
    """
    if kind is not None and kind not in KINDS:
        raise unknown("kind of element", kind, KINDS)
    if isinstance(element, Entry):
        return CheckSubject(kind or _kind_of(element), element.name, element)
    if kind == "suite" or element.endswith(".toml"):
        return CheckSubject("suite", element, thing=element)
    name, typed = split_settings(element)
    subject = _by_name(name, kind)
    if not typed:
        return subject
    if subject.entry is None:
        raise BadInput(f"{element!r}: {name} is of the kind {subject.kind}, which has no settings")
    settings = dict(subject.entry.sanity) | check_settings(subject.entry, typed)
    subject.entry.build(settings)
    entry = replace(subject.entry, sanity=settings)
    return replace(subject, entry=entry, settings=element[len(name) + 1 :])


def _by_name(element: str, kind: str | None) -> CheckSubject:
    if user_file.file_of(element):
        return _from_file(element, kind)
    kinds = [k for k, registry in REGISTRIES.items() if element in registry.load()]
    if element in suite_files():
        kinds.append("suite")
    if kind in kinds or (kind is None and len(kinds) == 1):
        kind = kind or kinds[0]
        if kind == "suite":
            return CheckSubject("suite", element, thing=element)
        return CheckSubject(kind, element, REGISTRIES[kind][element])
    if kind is None and kinds:
        raise BadInput(f"{element!r} is an {' and a '.join(kinds)}: say which with --kind")
    if kind in ("environment", "judge"):
        raise BadInput(f"{element!r}: an {kind} comes from a file, as in my.py:{element}")
    names = [name for registry in REGISTRIES.values() for name in registry.load()]
    raise unknown(kind or "element", element, [*names, *suite_files()])


def names_in(path: str) -> list[str]:
    """List what a file registers, as `path:name`. Raises BadInput if it registers nothing."""
    module, _ = user_file.load(Path(path), "its elements")
    names = [e.name for r in REGISTRIES.values() for e in r.of_module(module.__name__)]
    if not names:
        raise BadInput(f"{path} registers nothing: say what to check, as in {path}:name")
    return [f"{path}:{name}" for name in dict.fromkeys(names)]


def _kind_of(entry: Entry) -> str:
    for kind, registry in REGISTRIES.items():
        if registry.load().get(entry.name) is entry:
            return kind
    raise BadInput(f"{entry.name!r} is not registered: give its kind")


def _from_file(element: str, kind: str | None) -> CheckSubject:
    path, _, name = element.rpartition(":")
    module, _ = user_file.load(Path(path), repr(name))
    entries = {k: r.of_module(module.__name__) for k, r in REGISTRIES.items()}
    kinds = [k for k, of_kind in entries.items() if name in {entry.name for entry in of_kind}]
    if kind is None and len(kinds) > 1:
        raise BadInput(f"{element} is an {' and an '.join(kinds)}: say which with --kind")
    if kind in REGISTRIES or (kind is None and kinds):
        kind = kind or kinds[0]
        return CheckSubject(kind, element, REGISTRIES[kind][element])
    thing = getattr(module, name, None)
    if not callable(thing):
        names = [entry.name for of_kind in entries.values() for entry in of_kind]
        raise BadInput(f"{path} has no {name!r}; it registers {', '.join(names) or 'nothing'}")
    kind = kind or _guess_kind(element, thing)
    if kind in REGISTRIES:
        return CheckSubject(kind, element, REGISTRIES[kind][element])
    return CheckSubject(kind, element, thing=thing)


def _guess_kind(element: str, thing: Callable[..., Any]) -> str:
    """Guess the kind of a class or function that is not registered."""
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
    product = thing()
    if hasattr(product, "start") and hasattr(product, "step"):
        return "estimator"
    if isinstance(product, Problem):
        return "objective"
    if hasattr(product, "reset") and hasattr(product, "step"):
        return "environment"
    raise BadInput(
        f"{element} makes a {type(product).__name__}, which is not an element: say what it is with "
        f"--kind ({', '.join(KINDS)})"
    )
