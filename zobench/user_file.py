"""A Python file of the user's, loaded once for each content.

The text that was read first is the text that counts: a plan says which it was, and the processes
that make its runs are given it, whatever happens to the file meanwhile. The same holds for the
modules beside it that it imports, which its version covers; see `beside.py`.
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
from zobench.errors import BadInput, not_installed, said_by
from zobench.process_state import put_back

_PREFIX = "zobench_user_"  # how modules of users' files are named
_read: dict[tuple[str, str], dict[str, bytes]] = {}  # (path, version) -> texts by path
_kept: dict[str, bytes] = {}  # path -> the text to take instead of the file's


def is_users(module: str) -> bool:
    """Is it the name of a module that was loaded here?"""
    return module.startswith(_PREFIX)


def file_of(name: str) -> str:
    """The path in `path/to/file.py:name`; "" of a registered name."""
    path, colon, _ = name.rpartition(":")
    return path if colon and path.endswith(".py") else ""


def keep(path: Path, text: bytes) -> None:
    """From now on, take this text for the file's, also where it is imported."""
    _kept[str(path.resolve())] = text
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def forget() -> None:
    """Read the files themselves again."""
    _kept.clear()


def text_of(path: Path, wanted: str) -> bytes:
    """The text of the file; `wanted` is what is looked for. Raises BadInput."""
    full = str(path.resolve())
    if full not in _kept and not path.is_file():
        raise BadInput(f"no file {str(path)!r} to take {wanted} from")
    try:
        text = _kept[full] if full in _kept else path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read {str(path)!r}: {error.strerror}") from error
    return text


def made_of(path: Path, wanted: str) -> dict[str, bytes]:
    """Full path -> text of the file and of its modules. Raises BadInput."""
    return _texts(path, wanted)[0]


def check_together(paths: Iterable[str]) -> None:
    """Raises BadInput where files of one process import different modules under one name.

    Python keeps one module of a name: the file that is loaded last would get the first one's.
    """
    taken: dict[str, tuple[str, str]] = {}  # name -> where the module lies, who imports it
    for path in paths:
        full = str(Path(path).resolve())
        for name, place in names_imported(full, made_of(Path(path), "it")).items():
            other, owner = taken.setdefault(name, (place, path))
            if Path(other).resolve() != Path(place).resolve():
                raise BadInput(
                    f"{os.path.relpath(owner)} and {os.path.relpath(path)} each import a module "
                    f"named {name}, from different folders: rename one, or put both files into one "
                    "folder"
                )


def keep_all(path: Path, wanted: str) -> None:
    """`keep` all that the file is made of, as it is now. Raises BadInput."""
    for place, text in made_of(path, wanted).items():
        keep(Path(place), text)


def texts_read(path: str, version: str) -> dict[str, bytes]:
    """Path -> text of the file of that version and its modules, if this process has read it."""
    return _read.get((path, version), {})


def files_in(settings: Mapping[str, Any]) -> list[str]:
    """The paths of Python files that settings name, as `path/to/file.py:function`."""
    values = [v for s in settings.values() for v in (s if isinstance(s, tuple | list) else (s,))]
    paths = [file_of(value) for value in values if isinstance(value, str)]
    return sorted({str(Path(path).resolve()) for path in paths if path and Path(path).is_file()})


def with_files(version: str, settings: Mapping[str, Any]) -> str:
    """The version of an element with these settings: of the files that they name as well."""
    named = []
    for path in files_in(settings):
        texts, _ = _texts(Path(path), "a function")
        named.append(_hash(path, texts))
    return (
        f"{version}+{hashlib.sha256(''.join(named).encode()).hexdigest()[:12]}"
        if named
        else version
    )


def _texts(path: Path, wanted: str) -> tuple[dict[str, bytes], set[str]]:
    """(path -> text of the file and its modules; those that no import finds). Raises BadInput."""
    full = str(path.resolve())

    def read(place: str) -> bytes | None:
        place = str(Path(place).resolve())
        try:
            return _kept[place] if place in _kept else Path(place).read_bytes()
        except (OSError, ValueError):
            return None

    text = text_of(path, wanted)
    beside, by_path = modules_beside(full, text, read)
    texts = {full: text} | beside
    _read[full, _hash(full, texts)[:12]] = texts
    return texts, by_path


def _hash(full: str, texts: Mapping[str, bytes]) -> str:
    """SHA-256 of the file's text, or, with modules, of all names and texts; not of the folder."""
    own = hashlib.sha256(texts[full]).hexdigest()
    if len(texts) == 1:
        return own
    home = Path(full).parent
    parts = [own]
    for place in sorted(texts.keys() - {full}):
        parts += [os.path.relpath(place, home), hashlib.sha256(texts[place]).hexdigest()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def load(path: Path, wanted: str) -> tuple[ModuleType, str]:
    """(the module, SHA-256 of what it is made of); `wanted` is looked for. Raises BadInput."""
    texts, by_path = _texts(path, wanted)
    text, content = texts[full := str(path.resolve())], _hash(full, texts)
    for place in by_path:
        if texts[place] != Path(place).read_bytes():
            raise BadInput(f"{place} changed after the run was planned; start again")
    name = f"{_PREFIX}{path.stem}_{content[:12]}"
    if name not in sys.modules:
        loader = _Loader(name, str(path), text)
        spec = spec_from_file_location(name, path, loader=loader)
        assert spec is not None
        deep = sys.getrecursionlimit()
        sys.modules[name] = module = module_from_spec(spec)
        try:
            with put_back():  # what one file sets is not for another file of the run
                loader.exec_module(module)
        except BaseException as error:
            del sys.modules[name]
            if isinstance(error, KeyboardInterrupt):
                raise
            raise BadInput(f"{path}{_fault(error)}") from error
        finally:  # a lower limit would break what comes after, whoever does it
            sys.setrecursionlimit(max(deep, sys.getrecursionlimit()))
    return sys.modules[name], content


class _Finder(MetaPathFinder):
    """Gives a module that is imported the text that was kept."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or not spec.origin or not spec.has_location:
            return None
        text = _kept.get(str(Path(spec.origin).resolve()))
        if text is None:
            return None
        spec.loader = _Loader(fullname, spec.origin, text)
        return spec


def _fault(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f" line {error.lineno}: {type(error).__name__}: {error.msg}"
    if isinstance(error, SystemExit):
        return ": it calls exit() while it is loaded; put that under if __name__ == '__main__':"
    said = not_installed(error) if isinstance(error, ModuleNotFoundError) else said_by(error)
    return f": {type(error).__name__}: {said}"


class _Loader(SourceFileLoader):
    """Executes the text that was read, never what the file holds since or a compiled copy."""

    def __init__(self, name: str, path: str, text: bytes) -> None:
        super().__init__(name, path)
        self.text = text

    def get_code(self, fullname: str) -> CodeType:
        code = compile(self.text, self.path, "exec", dont_inherit=True)
        source = decode_source(self.text)  # for tracebacks, and for what reads its own source
        linecache.cache[self.path] = (len(source), None, source.splitlines(True), self.path)
        return code
