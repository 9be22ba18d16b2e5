"""How a probe reaches the weights of a module: what every realisation offers, and "walk"."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol, SupportsFloat

from zobench.core.directions import Direction, Probe
from zobench.core.fixed import settled, waits

if TYPE_CHECKING:
    from zobench.engine.tensors import TensorParams


class Realisation(Protocol):
    """How a forward pass comes to read x + scale * d, on behalf of the `TensorParams` given.

    A realisation holds no reference to the params that hold it, so that both are freed at once.
    """

    @property
    def name(self) -> str:
        """The name by which users choose it."""
        ...

    @property
    def moves_weights(self) -> bool:
        """True if the weights themselves move to a probe and back."""
        ...

    @property
    def can_delay(self) -> bool:
        """True if moves may wait for the next probe, which then writes them in its own pass."""
        ...

    @property
    def is_testing(self) -> bool:
        """True while forwards run for a test, at probes that are not those of the call."""
        ...

    def together(
        self, params: TensorParams, probes: Sequence[Probe]
    ) -> AbstractContextManager[None]:
        """Return the context of the probes of one call, which `probed` visits in their order."""
        ...

    def probed(
        self, params: TensorParams, scale: float, direction: Direction
    ) -> AbstractContextManager[None]:
        """Return the context in which forward passes read x + scale * direction."""
        ...

    def check(self, params: TensorParams, loss: Callable[[], SupportsFloat]) -> None:
        """Raise Unsuitable if `loss()` reads weights where a probe would not reach them."""
        ...

    def restore(self, params: TensorParams) -> None:
        """Give the parameters their own memory, wherever an error has broken off a probe."""
        ...


class Walk:
    """Move the weights to the probe and back. The way back may wait for the next probe.

    It does not wait along a direction that may be another one after the probe.
    """

    name = "walk"
    moves_weights = can_delay = True
    is_testing = False

    def together(
        self, params: TensorParams, probes: Sequence[Probe]
    ) -> AbstractContextManager[None]:
        """Do nothing: each probe is a walk of its own."""
        return nullcontext()

    @contextmanager
    def probed(self, params: TensorParams, scale: float, direction: Direction) -> Iterator[None]:
        """Write the probe, and make the way back due."""
        direction = settled(direction, params.blocks)
        probe: Probe = scale, direction
        waiting = waits(direction)
        try:
            params.go_to(probe)
            yield
        finally:
            if params.go_back(probe) and not waiting:
                params.flush()

    def check(self, params: TensorParams, loss: Callable[[], SupportsFloat]) -> None:
        """Accept any loss: code that reads the weights reads the probe."""

    def restore(self, params: TensorParams) -> None:
        """Do nothing: the parameters keep their own memory."""
