"""Replace the forward of some modules for the length of a context."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

ModuleForward = Callable[..., Any]
Wrapper = Callable[[ModuleForward], ModuleForward]  # returns what is called instead of a forward


class _Replaced(threading.local):
    """The replaced forwards of this thread, as (module, its own former forward or None)."""

    def __init__(self) -> None:
        self.entries: list[tuple[nn.Module, Any]] = []


_replaced = _Replaced()


@contextmanager
def wrapped(wrappers: Iterable[tuple[nn.Module, Wrapper]]) -> Iterator[None]:
    """Replace the forward of each module, and put the former one back, also when a call raises.

    A forward that was already replaced on the instance (by a hook of a library that spreads a
    model over devices) is wrapped as it is.
    """
    entries: list[tuple[nn.Module, Any]] = []
    try:
        for module, wrapper in wrappers:
            entry = module, module.__dict__.get("forward")
            entries.append(entry)
            _replaced.entries.append(entry)
            module.forward = wrapper(module.forward)
        yield
    finally:
        _put_back(entries)


def put_back() -> None:
    """Put back all forwards, also where Ctrl-C has left a context half-way."""
    _put_back(list(_replaced.entries))


def _put_back(entries: list[tuple[nn.Module, Any]]) -> None:
    replaced = _replaced.entries
    for entry in reversed(entries):
        if any(other is entry for other in reversed(replaced)):  # else it was put back before
            module, former = entry
            if former is None:
                module.__dict__.pop("forward", None)
            else:
                module.forward = former
            replaced[:] = [other for other in replaced if other is not entry]
