"""Sections that no signal interrupts: Ctrl-C in the middle of a write waits for its end.

A signal whose handler is Python code (Ctrl-C raises KeyboardInterrupt so) may raise between any two
operations of the main thread: also between a write of weights and the note that it was made.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_NAMES = ("SIGINT", "SIGTERM", "SIGALRM")  # to look at more costs each step
SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
PATIENCE = 3  # a signal that comes so often does not wait, as the section may hang


class _Unbroken:
    """`with unbroken:` is around what is made whole or not at all, inside `signals_held`."""

    def __init__(self) -> None:
        self._depth = 0
        self._handlers: dict[int, Any] = {}
        self._came: list[tuple[int, Any]] = []

    def __enter__(self) -> None:
        if self._handlers and threading.current_thread() is threading.main_thread():
            self._depth += 1

    def __exit__(self, *_: object) -> None:
        if self._depth and threading.current_thread() is threading.main_thread():
            self._depth -= 1
            while self._came and not self._depth:
                number, frame = self._came.pop(0)
                self._handlers[number](number, frame)

    def handle(self, number: int, frame: Any) -> None:
        """Handle a signal in place of its former handler."""
        if self._depth and len(self._came) < PATIENCE - 1:
            self._came.append((number, frame))
        elif number in self._handlers:
            self._handlers[number](number, frame)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Replace the handlers of SIGNALS by `handle` within the with statement."""
        try:
            for number in SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
                    signal.signal(number, self.handle)
            yield
        finally:
            handlers = list(self._handlers.items())
            for number, handler in handlers:
                current = signal.signal(number, handler)
                if current != self.handle:  # it was replaced inside
                    signal.signal(number, current)
            self._handlers, self._came, self._depth = {}, [], 0


unbroken = _Unbroken()


@contextmanager
def signals_held() -> Iterator[None]:
    """Inside, signals wait for the end of each `unbroken` section."""
    alone = threading.current_thread() is threading.main_thread()
    if unbroken._handlers or not alone:
        yield
        return
    with unbroken.installed():
        yield
