"""Ctrl-C as a question that a loop asks between its steps, so that it never lands inside one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Interrupted(KeyboardInterrupt):
    """Ctrl-C: what was finished is kept. The message is one line."""


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Gives `stopped()`: was Ctrl-C pressed? A second press acts at once, as usual."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set  # signals go to the main thread, which is not ours
        return
    before = signal.getsignal(signal.SIGINT)

    def press(signum: int, frame: object) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, press)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
