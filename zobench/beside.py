"""What else a user's Python file is made of: the modules beside it that it imports, and theirs.

Found from the texts alone, so that every process finds the same. Not found: modules of other
folders, names that are put together while the code runs, and files that the code opens.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

MOST = 1000  # files; more cannot be the modules of one file
_CALLS = ("import_module", "__import__")
_OURS = "zobench"

Read = Callable[[str], bytes | None]  # a full path -> its text; None where there is no such file
Names = tuple[int, tuple[str, ...]]  # how many folders above the module's own; the parts


def modules_beside(file: str, text: bytes, read: Read) -> tuple[dict[str, bytes], set[str]]:
    """(full path -> text of each module; those that are named by their path, not imported)."""
    home = str(Path(file).parent)
    found: dict[str, bytes] = {}
    by_path: set[str] = set()
    todo = [(file, text)]
    while todo and len(found) < MOST:
        path, content = todo.pop()
        imported, named = _said(content)
        paths = [p for name in imported for p in _places(home, path, *name)]
        by_path |= (places := {str(Path(path).parent / name) for name in named})
        for place in (*paths, *sorted(places)):
            if place not in found and place != file and (other := read(place)) is not None:
                found[place] = other
                todo.append((place, other))
    return found, by_path & found.keys()


def names_imported(file: str, texts: Mapping[str, bytes]) -> dict[str, str]:
    """Dotted name -> full path of each module among `texts` that `file` or one of them imports."""
    home, found = Path(file).parent, {}
    imported = {parts for text in texts.values() for level, parts in _said(text)[0] if not level}
    for parts in imported:
        for count in range(1, len(parts) + 1):
            for place in _places(str(home), file, 0, parts[:count]):
                if place in texts and place != file:
                    found[".".join(Path(place).relative_to(home).with_suffix("").parts)] = place
    return {name.removesuffix(".__init__"): place for name, place in found.items()}


def _places(home: str, path: str, level: int, parts: tuple[str, ...]) -> Iterator[str]:
    """Where the module and the packages that hold it may lie."""
    folder = Path(home)
    if level:
        folder = Path(path).parents[min(level, len(Path(path).parents)) - 1]
        if not folder.is_relative_to(home):
            return
    for count in range(1, len(parts) + 1):
        place = folder.joinpath(*parts[:count])
        yield str(place.with_name(place.name + ".py"))
        yield str(place / "__init__.py")


@cache
def _said(text: bytes) -> tuple[list[Names], list[str]]:
    """(modules that the text imports, or may; names of Python files that stand in it)."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return [], []
    imported: dict[Names, None] = {}
    named: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {(0, tuple(alias.name.split("."))): None for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = tuple((node.module or "").split(".")) if node.module else ()
            imported |= {(node.level, (*base, alias.name)): None for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value.endswith(".py") and node.value.isprintable() and len(node.value) < 200:
                named[node.value] = None
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            name = node.args[0].value
            if called in _CALLS and isinstance(name, str) and name.replace(".", "").isidentifier():
                imported[0, tuple(name.split("."))] = None
    ours = [name for name in imported if not (name[0] == 0 and name[1][0] == _OURS)]
    return ours, list(named)
