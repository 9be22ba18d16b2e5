"""The modules beside a user's Python file that it imports, and those that they import.

They follow from the texts alone, so that every process finds the same ones. Not among them are
modules of other folders, names that the code computes, and files that the code opens. That they are
covered does not make them importable: the folder has to be on `sys.path`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

MOST = 1000  # files; more cannot be the modules of one file
_CALLS = ("import_module", "__import__")
_OURS = "zobench"

ReadText = Callable[[str], bytes | None]  # a full path -> its text; None if there is no such file
ModuleName = tuple[int, tuple[str, ...]]  # dots before a relative name; the parts of the name


def modules_beside(file: str, text: bytes, read: ReadText) -> tuple[dict[str, bytes], set[str]]:
    """Find the modules beside a file.

    Args:
        file: the full path of the file.
        text: its text.
        read: gives the text of another file.

    Returns:
        Full path -> text of each module; and the paths of those that the code names by a path
        instead of importing them.
    """
    home = str(Path(file).parent)
    modules: dict[str, bytes] = {}
    by_path: set[str] = set()
    queue = [(file, text)]
    while queue and len(modules) < MOST:
        path, content = queue.pop()
        imports, names = _imports_of(content)
        candidates = [p for name in imports for p in _candidates(home, path, *name)]
        named_paths = {str(Path(path).parent / name) for name in names}
        by_path |= named_paths
        for candidate in (*candidates, *sorted(named_paths)):
            if candidate in modules or candidate == file:
                continue
            if (other := read(candidate)) is not None:
                modules[candidate] = other
                queue.append((candidate, other))
    return modules, by_path & modules.keys()


@dataclass(frozen=True)
class ModuleBeside:
    """A module that Python did not find, though it lies beside the file that imports it.

    Attributes:
        path: of the module: a file, or the folder of a package.
        imported_in: the path of the file that imports it.
        package: the dotted name of the package that this file is in; "" for none.
    """

    path: str
    imported_in: str
    package: str


def module_beside(error: ModuleNotFoundError) -> ModuleBeside | None:
    """Return the module that an import did not find beside its file; None if none lies there.

    None also for an import in an installed package, whose modules may have the names of other
    packages.
    """
    importer: dict[str, str] = {}
    step = error.__traceback__
    while step is not None:  # to the innermost frame, but for those of importlib
        values = step.tb_frame.f_globals
        facts = {key: str(values.get(key) or "") for key in ("__name__", "__file__", "__package__")}
        importer = importer if facts["__name__"].partition(".")[0] == "importlib" else facts
        step = step.tb_next
    file = Path(importer.get("__file__", ""))
    name = (error.name or "").partition(".")[0]
    if not name or not file.is_file() or _is_installed(importer["__name__"], file):
        return None
    spec = PathFinder.find_spec(name, [str(file.parent)])
    if spec is None:
        return None
    path = Path(spec.origin) if spec.origin else file.parent / name
    if spec.origin is None and not any(path.glob("*.py")):  # a folder of data
        return None
    if path.name == "__init__.py":
        path = path.parent
    if path == file:  # a file with the name of the package that it imports
        return None
    return ModuleBeside(path=str(path), imported_in=str(file), package=importer["__package__"])


def names_imported(file: str, texts: Mapping[str, bytes]) -> dict[str, str]:
    """Map the dotted name of each module that is imported to its full path.

    Args:
        file: the full path of the user's file.
        texts: full path -> text of the file and the modules beside it.
    """
    home, result = Path(file).parent, {}
    imports = {
        parts for text in texts.values() for level, parts in _imports_of(text)[0] if not level
    }
    for parts in imports:
        for count in range(1, len(parts) + 1):
            for path in _candidates(str(home), file, 0, parts[:count]):
                if path in texts and path != file:
                    result[".".join(Path(path).relative_to(home).with_suffix("").parts)] = path
    return {name.removesuffix(".__init__"): path for name, path in result.items()}


def _is_installed(module: str, file: Path) -> bool:
    """Return True for a module of zobench, of Python itself, or of an installed package."""
    is_ours = module.partition(".")[0] == _OURS
    is_packages = any(part in ("site-packages", "dist-packages") for part in file.parts)
    return is_ours or is_packages or file.is_relative_to(Path(ast.__file__).parent)


def _candidates(home: str, path: str, level: int, parts: tuple[str, ...]) -> Iterator[str]:
    """Yield the paths that a module, and the packages around it, may have."""
    folder = Path(home)
    if level:
        folder = Path(path).parents[min(level, len(Path(path).parents)) - 1]
        if not folder.is_relative_to(home):
            return
    for count in range(1, len(parts) + 1):
        stem = folder.joinpath(*parts[:count])
        yield str(stem.with_name(stem.name + ".py"))
        yield str(stem / "__init__.py")


@cache
def _imports_of(text: bytes) -> tuple[list[ModuleName], list[str]]:
    """Return the modules that a text may import, and the names of Python files in it."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return [], []
    imports: dict[ModuleName, None] = {}
    names: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports |= {(0, tuple(alias.name.split("."))): None for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = tuple((node.module or "").split(".")) if node.module else ()
            imports |= {(node.level, (*base, alias.name)): None for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value.endswith(".py") and node.value.isprintable() and len(node.value) < 200:
                names[node.value] = None
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            name = node.args[0].value
            if called in _CALLS and isinstance(name, str) and name.replace(".", "").isidentifier():
                imports[0, tuple(name.split("."))] = None
    others = [name for name in imports if not (name[0] == 0 and name[1][0] == _OURS)]
    return others, list(names)
