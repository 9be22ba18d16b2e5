"""The params behind an optimizer: moves that wait, and a call when they were written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch

from zobench.core.params import Group
from zobench.engine.caches import forget
from zobench.engine.passing import Passing
from zobench.engine.tensors import TensorParams


class DelayedParams(TensorParams):
    """TensorParams that know whether a delayed move waits, and report when moves were written."""

    def __init__(
        self,
        named: Iterable[tuple[str, torch.Tensor]],
        groups: Sequence[Group] = (),
        rounding: int | None = None,
    ) -> None:
        super().__init__(named, groups, rounding)
        self.written: Callable[[], None] = _nothing
        self._flushing = False

    @property
    def waiting(self) -> bool:
        """True if there are moves to be written."""
        return bool(self._due) and not self._flushing

    def home(self) -> None:
        self._flushing = False  # also where Ctrl-C came before `flush` could say so
        super().home()

    @contextmanager
    def passing(self) -> Iterator[Passing]:
        waited = self.waiting
        try:
            self._flushing = True
            with super().passing() as passing:
                yield passing
        finally:
            self._flushing = False
        if waited:
            forget()
            self.written()

    def flush(self) -> None:
        if self.waiting:
            try:
                self._flushing = True
                super().flush()
            finally:
                self._flushing = False
            forget()
            self.written()


def _nothing() -> None:
    pass
