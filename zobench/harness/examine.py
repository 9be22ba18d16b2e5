"""Users' files, examined in a process apart from the command.

A file may exit, hang or change its process when it is loaded, and so may a factory when it is
called. A process of its own does both, and reports the result.
"""

from __future__ import annotations

import atexit
import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from zobench import registry, user_file
from zobench.errors import BadInput
from zobench.harness.child import GRACE, IN_WORKER, Child, Garbled, how_ended
from zobench.harness.look import Elsewhere, coded, entry_of
from zobench.registry import Entry, Registry

LOADING = 60.0  # seconds that a file may take to load
BUILDING = 15.0  # seconds that a factory may take; a slower one is left to the run

_entries: dict[tuple[str, str, str], Entry] = {}  # kind, path, name
_hung: set[tuple[str, str]] = set()  # kind, name
_child: Child | None = None
_inherited: object = None  # the state that the child has inherited


class _Silent(Exception):  # noqa: N818
    """The process gave no answer; the text says what it did instead."""


@contextmanager
def apart() -> Iterator[None]:
    """In this context, load users' files in another process, from the texts first read."""
    if IN_WORKER in os.environ:  # a file that runs a command when it is loaded
        yield
        return
    before = registry.look_apart
    registry.look_apart = _look
    try:
        yield
    finally:
        registry.look_apart = before
        _entries.clear()
        _hung.clear()
        user_file.forget()


def version_with(entry: Entry, settings: Mapping[str, Any]) -> str:
    """Return the entry's version with these settings, which covers the files that they name."""
    if registry.look_apart is not None:  # in a command, texts stay as they are now
        for path in user_file.files_in(settings):
            user_file.fix_all(Path(path), "a function")
    return user_file.with_files(entry.version, settings)


def refused(entry: Entry, settings: Mapping[str, Any]) -> str:
    """Return why the entry's factory refuses checked settings; "" if it does not, or is silent."""
    make = entry.make
    if isinstance(make, Elsewhere):
        name = f"{make.path}:{make.name}"
        return refused_apart(make.registry.kind, name, settings, BUILDING)
    try:
        entry.build_checked(settings)
    except BadInput as error:
        return str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:  # left to the run, such as a package that is missing here
        pass
    return ""


def refused_apart(kind: str, name: str, settings: Mapping[str, Any], seconds: float) -> str:
    """Return `refused` by another process; "" if that takes longer than `seconds`."""
    if (kind, name) in _hung:
        return ""
    request = {"do": "build", "kind": kind, "name": name, "settings": coded(settings)}
    try:
        return _ask(request, user_file.file_of(name), seconds).get("refused", "")
    except _Silent:
        _hung.add((kind, name))
        return ""


def _look(registry: Registry, path: Path, name: str) -> Entry:
    """Return the entry `name` of a file. Raises BadInput."""
    registry.load()
    key = (registry.kind, str(path.resolve()), name)
    if key not in _entries:
        user_file.fix_all(path, f"{registry.kind} {name!r}")
        request = {"do": "describe", "kind": registry.kind, "name": f"{path}:{name}"}
        try:
            reply = _ask(request, str(path), LOADING)
        except _Silent as error:
            raise BadInput(f"{path} cannot be loaded: {error}") from error
        if "refused" in reply:
            raise BadInput(reply["refused"])
        try:
            _entries[key] = entry_of(registry, path.resolve(), name, reply["facts"])
        except (TypeError, ValueError, KeyError) as error:
            raise BadInput(f"{path}: {registry.kind} {name!r}: {error}") from error
    return _entries[key]


def _ask(request: dict[str, Any], file: str, seconds: float) -> dict[str, Any]:
    """Return the answer of a process that has loaded `file` and no other. Raises _Silent."""
    from multiprocessing.connection import wait  # with much else: 10 ms

    child = _running()
    files = [str(Path(file).resolve())] if file else []
    contents = user_file.texts_of(Path(file), "it") if file else {}
    texts = {name: base64.b64encode(text).decode() for name, text in contents.items()}
    needs = {"files": files, "packages": [], "alone": True, "isolated": False}
    end = monotonic() + seconds
    try:
        is_alive = child.send(request | {"needs": needs, "texts": texts})
        while is_alive:
            if monotonic() > end:
                raise _Silent(f"it takes more than {seconds:g} s")
            if (
                wait([child.socket], min(1.0, max(0.0, end - monotonic())))
                or child.ended() is not None
            ):
                lines = child.lines()
                if lines is None:
                    break
                for line in lines:
                    kind, _, _, content = json.loads(line)
                    if kind == "A" and isinstance(content, dict):
                        return content
    except (ValueError, TypeError, RecursionError, Garbled) as error:
        stop()
        raise _Silent("it sends something that is not an answer") from error
    except BaseException:
        stop()
        raise
    try:
        ending = how_ended(child.process.wait(GRACE))
    except subprocess.TimeoutExpired:
        ending = "its process closed files that are not its own"
    stop()
    raise _Silent(ending)


def _running() -> Child:
    """Return the process, started anew if the state that it inherited has changed."""
    global _child, _inherited
    state = (os.getpid(), os.getcwd(), tuple(sys.path), dict(os.environ))
    if _child is None or _child.ended() is not None or state != _inherited:
        stop()
        _child, _inherited = Child(1, subprocess.DEVNULL), state
    return _child


def stop() -> None:
    """End the process; the next request starts another."""
    global _child
    child, _child = _child, None
    if child is not None:
        child.close(at_once=True)


atexit.register(stop)
