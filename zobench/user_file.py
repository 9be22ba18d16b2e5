"""Python files of users, loaded once per content.

The text that was read first counts: a plan names it by its hash, and the processes that make the
runs receive it, whatever happens to the file meanwhile. So do the modules beside the file that it
imports, which its version covers; see `beside.py`.
"""

from __future__ import annotations

import hashlib
import linecache
import os
import sys
from collections.abc import Iterable, Mapping
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import decode_source, module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from zobench.beside import modules_beside, names_imported
from zobench.errors import BadInput, error_text, not_installed
from zobench.process_state import restored

_PREFIX = "zobench_user_"  # of the names of modules from users' files
_read: dict[tuple[str, str], dict[str, bytes]] = {}  # (path, version) -> texts by path
_fixed: dict[str, bytes] = {}  # path -> the text that counts instead of the file's


def is_users(module: str) -> bool:
    """Return True if this is the name of a module from a user's file."""
    return module.startswith(_PREFIX)


def file_of(name: str) -> str:
    """Return the path in `path/to/file.py:name`; "" for a registered name."""
    path, colon, _ = name.rpartition(":")
    return path if colon and path.endswith(".py") else ""


def is_file(path: str | Path) -> bool:
    """Return True if there is a file; False also for a name that no file can have."""
    return os.path.isfile(path)


def fix(path: Path, text: bytes) -> None:
    """Use this text for that of the file from now on, also if the file is imported."""
    _fixed[str(path.resolve())] = text
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def forget() -> None:
    """Use the texts of the files themselves again."""
    _fixed.clear()


def text_of(path: Path, purpose: str) -> bytes:
    """Return the text of a file; the error names `purpose`. Raises BadInput."""
    full = str(path.resolve())
    if full not in _fixed and not is_file(path):
        raise BadInput(f"no file {str(path)!r} to take {purpose} from")
    try:
        text = _fixed[full] if full in _fixed else path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read {str(path)!r}: {error.strerror}") from error
    return text


def texts_of(path: Path, purpose: str) -> dict[str, bytes]:
    """Return full path -> text, of a file and its modules. Raises BadInput."""
    return _texts(path, purpose)[0]


def check_together(paths: Iterable[str]) -> None:
    """Raise BadInput if files of one process import different modules under one name.

    Python has one module per name: the file that is loaded last would get that of the first.
    """
    owners: dict[str, tuple[str, str]] = {}  # name -> path of the module, file that imports it
    for path in paths:
        full = str(Path(path).resolve())
        for name, module in names_imported(full, texts_of(Path(path), "it")).items():
            other, owner = owners.setdefault(name, (module, path))
            if Path(other).resolve() != Path(module).resolve():
                raise BadInput(
                    f"{os.path.relpath(owner)} and {os.path.relpath(path)} each import a module "
                    f"named {name}, from different folders: rename one, or put both files into one "
                    "folder"
                )


def fix_all(path: Path, purpose: str) -> None:
    """Fix the texts of a file and its modules, as they are now. Raises BadInput."""
    for full, text in texts_of(path, purpose).items():
        fix(Path(full), text)


def texts_read(path: str, version: str) -> dict[str, bytes]:
    """Return path -> text, of a file of that version and its modules; {} if it was not read."""
    return _read.get((path, version), {})


def files_in(settings: Mapping[str, Any]) -> list[str]:
    """Return the paths of Python files that settings name, as `path/to/file.py:function`."""
    values = [v for s in settings.values() for v in (s if isinstance(s, tuple | list) else (s,))]
    paths = [file_of(value) for value in values if isinstance(value, str)]
    return sorted({str(Path(path).resolve()) for path in paths if path and is_file(path)})


def with_files(version: str, settings: Mapping[str, Any]) -> str:
    """Return the version of an element with these settings, which covers files that they name."""
    hashes = []
    for path in files_in(settings):
        texts, _ = _texts(Path(path), "a function")
        hashes.append(_hash(path, texts))
    if not hashes:
        return version
    return f"{version}+{hashlib.sha256(''.join(hashes).encode()).hexdigest()[:12]}"


def _texts(path: Path, purpose: str) -> tuple[dict[str, bytes], set[str]]:
    """Return path -> text of the file and its modules, and the paths that no import finds."""
    full = str(path.resolve())

    def read(module: str) -> bytes | None:
        module = str(Path(module).resolve())
        try:
            return _fixed[module] if module in _fixed else Path(module).read_bytes()
        except (OSError, ValueError):
            return None

    text = text_of(path, purpose)
    beside, by_path = modules_beside(full, text, read)
    texts = {full: text} | beside
    _read[full, _hash(full, texts)[:12]] = texts
    return texts, by_path


def _hash(full: str, texts: Mapping[str, bytes]) -> str:
    """Return SHA-256 of the file's text, or of all names and texts; not of the folder."""
    own = hashlib.sha256(texts[full]).hexdigest()
    if len(texts) == 1:
        return own
    home = Path(full).parent
    parts = [own]
    for module in sorted(texts.keys() - {full}):
        parts += [os.path.relpath(module, home), hashlib.sha256(texts[module]).hexdigest()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def load(path: Path, purpose: str) -> tuple[ModuleType, str]:
    """Load a file as a module.

    Args:
        path: the file.
        purpose: what it is loaded for, named in errors.

    Returns:
        The module, and SHA-256 of the file and its modules.

    Raises:
        BadInput: the file cannot be read or loaded.
    """
    texts, by_path = _texts(path, purpose)
    text, content = texts[full := str(path.resolve())], _hash(full, texts)
    for other in by_path:
        if texts[other] != Path(other).read_bytes():
            raise BadInput(f"{other} changed after the run was planned; start again")
    name = f"{_PREFIX}{path.stem}_{content[:12]}"
    if name not in sys.modules:
        loader = _Loader(name, str(path), text)
        spec = spec_from_file_location(name, path, loader=loader)
        assert spec is not None
        limit = sys.getrecursionlimit()
        sys.modules[name] = module = module_from_spec(spec)
        try:
            with restored():  # state that one file sets does not reach another file of the run
                loader.exec_module(module)
        except BaseException as error:
            del sys.modules[name]
            if isinstance(error, KeyboardInterrupt):
                raise
            raise BadInput(f"{path}{_fault(error)}") from error
        finally:  # a lower limit would break later code
            sys.setrecursionlimit(max(limit, sys.getrecursionlimit()))
    return sys.modules[name], content


class _Finder(MetaPathFinder):
    """Gives an imported module its fixed text."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or not spec.origin or not spec.has_location:
            return None
        text = _fixed.get(str(Path(spec.origin).resolve()))
        if text is None:
            return None
        spec.loader = _Loader(fullname, spec.origin, text)
        return spec


def _fault(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f" line {error.lineno}: {type(error).__name__}: {error.msg}"
    if isinstance(error, SystemExit):
        return ": it calls exit() while it is loaded; put that under if __name__ == '__main__':"
    is_import = isinstance(error, ModuleNotFoundError)
    text = not_installed(error) if is_import else error_text(error)
    return f": {type(error).__name__}: {text}"


class _Loader(SourceFileLoader):
    """Executes the text that was read, never a newer one of the file or a compiled copy."""

    def __init__(self, name: str, path: str, text: bytes) -> None:
        super().__init__(name, path)
        self.text = text

    def get_code(self, fullname: str) -> CodeType:
        code = compile(self.text, self.path, "exec", dont_inherit=True)
        source = decode_source(self.text)  # for tracebacks, and for what reads its own source
        linecache.cache[self.path] = (len(source), None, source.splitlines(True), self.path)
        return code
