"""The packages on which an element's results depend, found without importing any of them.

An element depends on what its registration names, and on what the files that make it import.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import metadata
from importlib.util import resolve_name
from pathlib import Path

import zobench
from zobench.registry import Entry

OURS = zobench.__name__


def versions() -> dict[str, str]:
    """The version of every installed package, by its canonical name."""
    return {canonical(found.name): found.version for found in metadata.distributions()}


def canonical(name: str) -> str:
    """A package's name as indexes write it, so that two spellings of one are equal."""
    return re.sub(r"[-_.]+", "-", name).lower()


def packages(entry: Entry, modules: Iterable[str] = ()) -> list[str]:
    """The packages that an element's results depend on, by their canonical names, in order.

    `modules`: others that its settings bring in, such as an environment's, by top-level names.
    """
    others = {*_imported(entry), *modules} - {entry.needs.partition(".")[0]}
    found = {canonical(name) for top in others for name in _packages(top)}
    return sorted((found | {required(entry), *map(canonical, entry.packages)}) - {""})


def required(entry: Entry) -> str:
    """The package without which an element does not run, as registered; "" where it needs none."""
    name = entry.install or entry.needs.partition(".")[0]
    return canonical(name.partition("[")[0])  # without extras, as in gymnasium[mujoco]


def _imported(entry: Entry) -> set[str]:
    """Top-level modules that are not ours, of the registration and the element's files."""
    found, files = set(), [getattr(entry.make, "__module__", "")]
    for name in entry.in_worker:
        top = name.partition(".")[0]
        files += [name] if top == OURS else []
        found |= set() if top == OURS else {top}
    return found.union(*map(_of_file, files))


@cache
def _of_file(module: str) -> frozenset[str]:
    """Top-level modules that a module imports, also in its functions, itself or by its siblings.

    Siblings are the modules of its own registry: what all elements share belongs to none of them.
    """
    home = ".".join(module.split(".")[:2])
    found, todo, seen = set(), [module], set()
    while todo:
        name = todo.pop()
        path = _source(name)
        if name in seen or path is None:
            continue
        seen.add(name)
        for imported in _imports(path, name):
            top = imported.partition(".")[0]
            if imported.startswith(f"{home}."):
                todo.append(imported)
            elif top not in sys.stdlib_module_names and top != OURS:
                found.add(top)
    return frozenset(found)


def _imports(path: Path, module: str) -> Iterator[str]:
    """Dotted names that a file imports as it runs, wherever in it: of modules, or in modules."""
    todo: list[ast.AST] = [ast.parse(path.read_bytes())]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module if path.stem == "__init__" else module.rpartition(".")[0]
            base = "." * node.level + (node.module or "")
            base = resolve_name(base, package) if node.level and package else base
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            todo += node.orelse
        else:
            todo += ast.iter_child_nodes(node)


def _source(module: str) -> Path | None:
    """The Python file of a module, which need not be loaded; None for what has none."""
    loaded = sys.modules.get(module)
    if loaded is not None:
        path = Path(getattr(loaded, "__file__", None) or "")
        return path if path.suffix == ".py" and path.is_file() else None
    top, *rest = module.split(".")
    for root in getattr(sys.modules.get(top), "__path__", ()):
        whole = Path(root, *rest)
        for path in (whole.with_suffix(".py"), whole / "__init__.py"):
            if path.is_file():
                return path
    return None


def _packages(module: str) -> Iterable[str]:
    """The packages that install a module: that of its name, else all that do; none if unknown."""
    try:
        return [metadata.distribution(module).name]
    except (metadata.PackageNotFoundError, ValueError):
        return _of_modules().get(module, [])


@cache
def _of_modules() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()
