"""Signals to stop, as a question that a loop asks between its steps: they land inside none."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, kill, a terminal that closes


class Interrupted(KeyboardInterrupt):
    """Such a signal: what was finished is kept. The message is one line."""

    def __init__(self, message: str, by: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.by = by


@contextmanager
def stoppable() -> Iterator[Callable[[], int]]:
    """Gives `stopped()`: the signal that came, or 0. A second one acts at once, as usual."""
    came: list[int] = []

    def stopped() -> int:
        return came[0] if came else 0

    if threading.current_thread() is not threading.main_thread():
        yield stopped  # signals go to the main thread, which is not ours
        return
    before = {int(number): signal.getsignal(number) for number in SIGNALS}
    caught = [n for n in SIGNALS if n != signal.SIGHUP or before[n] is not signal.SIG_IGN]  # nohup

    def press(signum: int, frame: object) -> None:
        came.append(signum)
        signal.signal(signum, before[signum])

    for number in caught:
        signal.signal(number, press)
    try:
        yield stopped
    finally:
        for number in caught:
            signal.signal(number, before[number])
