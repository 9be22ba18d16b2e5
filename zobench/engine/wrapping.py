"""Wrapped forwards: for the length of a context, calls of some modules go through a function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

Forward = Callable[..., Any]
Wrapper = Callable[[Forward], Forward]  # from a module's forward to what is called instead


@contextmanager
def wrapped(wrappers: Iterable[tuple[nn.Module, Wrapper]]) -> Iterator[None]:
    """Replace the forward of each module, and put the former one back, also when a call raises.

    A forward that was already replaced on the instance (by a hook of a library that spreads a
    model over devices) is wrapped as it is.
    """
    replaced: list[tuple[nn.Module, Any]] = []
    try:
        for module, wrapper in wrappers:
            replaced.append((module, module.__dict__.get("forward")))
            module.forward = wrapper(module.forward)
        yield
    finally:
        for module, former in reversed(replaced):
            if former is None:
                del module.forward
            else:
                module.forward = former
