"""Wrapped forwards: for the length of a context, calls of some modules go through a function."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

ModuleForward = Callable[..., Any]
Wrapper = Callable[
    [ModuleForward], ModuleForward
]  # from a module's forward to what is called instead


class _Replaced(threading.local):
    """What this thread replaces now: (module, the forward of its own that it had, if any)."""

    def __init__(self) -> None:
        self.entries: list[tuple[nn.Module, Any]] = []


_replaced = _Replaced()


@contextmanager
def wrapped(wrappers: Iterable[tuple[nn.Module, Wrapper]]) -> Iterator[None]:
    """Replace the forward of each module, and put the former one back, also when a call raises.

    A forward that was already replaced on the instance (by a hook of a library that spreads a
    model over devices) is wrapped as it is.
    """
    mine: list[tuple[nn.Module, Any]] = []
    try:
        for module, wrapper in wrappers:
            entry = module, module.__dict__.get("forward")
            mine.append(entry)
            _replaced.entries.append(entry)
            module.forward = wrapper(module.forward)
        yield
    finally:
        _put_back(mine)


def put_back() -> None:
    """All forwards are what they were, also where Ctrl-C left a context half-way."""
    _put_back(list(_replaced.entries))


def _put_back(entries: list[tuple[nn.Module, Any]]) -> None:
    now = _replaced.entries
    for entry in reversed(entries):
        if any(other is entry for other in reversed(now)):  # else it was done
            module, former = entry
            if former is None:
                module.__dict__.pop("forward", None)
            else:
                module.forward = former
            now[:] = [other for other in now if other is not entry]
