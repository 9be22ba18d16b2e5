"""The packages on which the results of an element depend; none of them is imported.

They are those that its registration names, and those that its files import.
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
    """Return the version of every installed package, by its canonical name."""
    return {canonical(name): version for name, version in map(_identity, metadata.distributions())}


def _identity(package: metadata.Distribution) -> tuple[str, str]:
    """Return the name and the version of an installed package.

    `Distribution.name` parses all that the package says of itself, ten times as long.
    """
    text = package.read_text("METADATA") or package.read_text("PKG-INFO") or ""
    head = (line.partition(": ") for line in text.partition("\n\n")[0].splitlines())
    facts = {key: value.strip() for key, _, value in head if key in ("Name", "Version")}
    return facts.get("Name") or package.name, facts.get("Version") or package.version


def canonical(name: str) -> str:
    """Return the name of a package as indexes write it, so that its spellings are equal."""
    return re.sub(r"[-_.]+", "-", name).lower()


def packages(entry: Entry, modules: Iterable[str] = ()) -> list[str]:
    """Return the canonical names of the packages that an element's results depend on, in order.

    Args:
        entry: the element.
        modules: top-level modules that its settings add, such as those of an environment.
    """
    others = {*_imported(entry), *modules} - {entry.needs.partition(".")[0]}
    names = {canonical(name) for top in others for name in _packages(top)}
    return sorted((names | {required(entry), *map(canonical, entry.packages)}) - {""})


def required(entry: Entry) -> str:
    """Return the package without which an element does not run; "" if it needs none."""
    name = entry.install or entry.needs.partition(".")[0]
    return canonical(name.partition("[")[0])  # without extras, as in gymnasium[mujoco]


def _imported(entry: Entry) -> set[str]:
    """Return the top-level modules of others, of the registration and the element's files."""
    modules, files = set(), [getattr(entry.make, "__module__", "")]
    for name in entry.in_worker:
        top = name.partition(".")[0]
        files += [name] if top == OURS else []
        modules |= set() if top == OURS else {top}
    return modules.union(*map(_of_file, files))


@cache
def _of_file(module: str) -> frozenset[str]:
    """Return the top-level modules that a module imports, also in functions, or its siblings do.

    Siblings are the modules of its own registry: a package that all elements share counts for none.
    """
    home = ".".join(module.split(".")[:2])
    result, queue, done = set(), [module], set()
    while queue:
        name = queue.pop()
        path = _source(name)
        if name in done or path is None:
            continue
        done.add(name)
        for imported in _imports(path, name):
            top = imported.partition(".")[0]
            if imported.startswith(f"{home}."):
                queue.append(imported)
            elif top not in sys.stdlib_module_names and top != OURS:
                result.add(top)
    return frozenset(result)


def _imports(path: Path, module: str) -> Iterator[str]:
    """Yield the dotted names that a file imports anywhere: modules, and names in modules."""
    queue: list[ast.AST] = [ast.parse(path.read_bytes())]
    while queue:
        node = queue.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module if path.stem == "__init__" else module.rpartition(".")[0]
            base = "." * node.level + (node.module or "")
            base = resolve_name(base, package) if node.level and package else base
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            queue += node.orelse
        else:
            queue += ast.iter_child_nodes(node)


def _source(module: str) -> Path | None:
    """Return the Python file of a module, loaded or not; None if it has none."""
    existing = sys.modules.get(module)
    if existing is not None:
        path = Path(getattr(existing, "__file__", None) or "")
        return path if path.suffix == ".py" and path.is_file() else None
    top, *rest = module.split(".")
    for root in getattr(sys.modules.get(top), "__path__", ()):
        stem = Path(root, *rest)
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if path.is_file():
                return path
    return None


def _packages(module: str) -> Iterable[str]:
    """Return the packages that install a module: the one of its name, or else all that do."""
    try:
        return [metadata.distribution(module).name]
    except (metadata.PackageNotFoundError, ValueError):
        return _of_modules().get(module, [])


@cache
def _of_modules() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()
