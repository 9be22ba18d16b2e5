"""The docstrings of the public surface: whole, in Google's style, with examples that run."""

import doctest
import inspect
import re
from functools import cached_property

import pytest

import zobench
from zobench.registry import estimators, objectives

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def is_documented(value) -> bool:
    return inspect.isclass(value) or inspect.isroutine(value)


def public():
    """(name, object) of the public classes and functions, those of public modules too."""
    for name in zobench.__all__:
        value = getattr(zobench, name)
        if is_documented(value):
            yield name, value
        elif inspect.ismodule(value):
            for inner in value.__all__:
                part = getattr(value, inner)
                own = getattr(part, "__module__", "").startswith(value.__name__)
                if own and is_documented(part):
                    yield f"{name}.{inner}", part


def callables():
    """The public functions, and the public methods that public classes define."""
    for name, value in PUBLIC.items():
        if not inspect.isclass(value):
            yield name, value
            continue
        for inner in vars(value):
            part = getattr(value, inner)
            is_method = inspect.isroutine(part) and not isinstance(part, cached_property)
            if not inner.startswith("_") and is_method:
                yield f"{name}.{inner}", part


PUBLIC = dict(public())
CALLABLES = dict(callables())


def parameters(value) -> list[str]:
    names = [
        p.name
        for p in inspect.signature(value).parameters.values()
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    return [name for name in names if name not in ("self", "cls") and not name.startswith("_")]


def section(text: str, *names: str) -> str:
    """The body of a section of a docstring: the indented lines after its title."""
    for name in names:
        match = re.search(rf"^{name}:\n((?:[ \t]+.*\n?|\n)+)", text, re.MULTILINE)
        if match:
            return match[1]
    return ""


def undocumented(value, text: str) -> list[str]:
    body = section(text, "Args", "Attributes")
    return [
        name
        for name in parameters(value)
        if not re.search(
            rf"^\s+(?:[`\w]+, )*`?{name}`?(?:, [`\w]+)*(?: \(.*?\))?:", body, re.MULTILINE
        )
    ]


@pytest.mark.parametrize("name", CALLABLES)
def test_arguments_and_results_are_explained(name):
    value = CALLABLES[name]
    text = inspect.getdoc(value) or ""
    assert text, f"{name} has no docstring"
    assert not undocumented(value, text)
    returned = inspect.signature(value).return_annotation
    if returned not in (None, "None", inspect.Signature.empty):
        assert section(text, "Returns", "Yields"), f"{name} does not say what it returns"


@pytest.mark.parametrize("name", [n for n, v in PUBLIC.items() if inspect.isclass(v)])
def test_what_a_class_is_made_of_is_explained(name):
    value = PUBLIC[name]
    if issubclass(value, Exception) or getattr(value, "_is_protocol", False):
        return
    assert not undocumented(value, inspect.getdoc(value) or "")


@pytest.mark.parametrize("name", [name for name in PUBLIC if "." not in name])
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for registry in (estimators, objectives):  # an example may register an element
        registry.load()
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    value = PUBLIC[name]
    tests = doctest.DocTestFinder().find(value, name, globs={"zobench": zobench})
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for test in tests:
        runner.run(test)
    assert not runner.failures
    assert (
        issubclass(value, Exception)
        if inspect.isclass(value) and not runner.tries
        else runner.tries
    )
