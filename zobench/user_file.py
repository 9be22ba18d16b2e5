"""A Python file of the user's, loaded once for each content.

The text that was read first is the text that counts: a plan says which it was, and the processes
that make its runs are given it, whatever happens to the file meanwhile.
"""

from __future__ import annotations

import hashlib
import linecache
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import decode_source, module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

from zobench.errors import BadInput, not_installed, said_by

_PREFIX = "zobench_user_"  # how modules of users' files are named
_read: dict[tuple[str, str], bytes] = {}  # (path, version) -> the text
_kept: dict[str, bytes] = {}  # path -> the text to take instead of the file's


def is_users(module: str) -> bool:
    """Is it the name of a module that was loaded here?"""
    return module.startswith(_PREFIX)


def file_of(name: str) -> str:
    """The path in `path/to/file.py:name`; "" of a registered name."""
    path, colon, _ = name.rpartition(":")
    return path if colon and path.endswith(".py") else ""


def version_of(text: bytes) -> str:
    """12 hex digits that name a text."""
    return hashlib.sha256(text).hexdigest()[:12]


def keep(path: Path, text: bytes) -> None:
    """From now on, take this text for the file's."""
    _kept[str(path.resolve())] = text


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
    _read[full, version_of(text)] = text
    return text


def text_read(path: str, version: str) -> bytes | None:
    """The text of that version, if this process has read it."""
    return _read.get((path, version))


def load(path: Path, wanted: str) -> tuple[ModuleType, str]:
    """(the module, SHA-256 of its file); `wanted` is what is looked for. Raises BadInput."""
    text = text_of(path, wanted)
    content = hashlib.sha256(text).hexdigest()
    name = f"{_PREFIX}{path.stem}_{content[:12]}"
    if name not in sys.modules:
        loader = _Loader(name, str(path), text)
        spec = spec_from_file_location(name, path, loader=loader)
        assert spec is not None
        deep = sys.getrecursionlimit()
        sys.modules[name] = module = module_from_spec(spec)
        try:
            loader.exec_module(module)
        except BaseException as error:
            del sys.modules[name]
            if isinstance(error, KeyboardInterrupt):
                raise
            raise BadInput(f"{path}{_fault(error)}") from error
        finally:  # a lower limit would break what comes after, whoever does it
            sys.setrecursionlimit(max(deep, sys.getrecursionlimit()))
    return sys.modules[name], content


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
