"""Signals to stop that a loop polls between its steps, so that none interrupts a step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, kill, a terminal that closes


class Interrupted(KeyboardInterrupt):
    """A signal to stop: finished runs are kept. The message is one line."""

    def __init__(self, message: str, by: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.by = by


@contextmanager
def stoppable() -> Iterator[Callable[[], int]]:
    """Yield a function that returns the signal that came, or 0; a second signal acts at once."""
    received: list[int] = []

    def stop_signal() -> int:
        return received[0] if received else 0

    if threading.current_thread() is not threading.main_thread():
        yield stop_signal  # signals go to the main thread, which is another
        return
    before = {int(number): signal.getsignal(number) for number in SIGNALS}
    handled = [n for n in SIGNALS if n != signal.SIGHUP or before[n] is not signal.SIG_IGN]  # nohup

    def receive(signum: int, frame: object) -> None:
        received.append(signum)
        signal.signal(signum, before[signum])

    for number in handled:
        signal.signal(number, receive)
    try:
        yield stop_signal
    finally:
        for number in handled:
            signal.signal(number, before[number])
