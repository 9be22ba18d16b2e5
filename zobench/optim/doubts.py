"""Checks of a closure until it passes them: equal losses at one point, no gradients, no writes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from zobench.errors import BadInput

GRADIENTS = (
    "the closure computes gradients (backward or torch.enable_grad), which a zeroth-order step "
    "does not use: return the loss alone, or its detach() where gradients are part of the loss; "
    "in Lightning set automatic_optimization = False"
)
WRITES = (
    "the closure, or a forward that it calls, writes to weights that are trained (clipping, "
    "renormalising): at a probe no way leads back from there; write to them after step()"
)


class Doubts:
    """Checks at the first step, which cost one call of the closure."""

    def __init__(
        self, tensors: Sequence[torch.Tensor], computes: Sequence[torch.Tensor], repeat: bool
    ) -> None:
        """Set the tolerance of the comparison.

        Args:
            tensors: those that move.
            computes: all that a loss is computed from.
            repeat: True to call the closure twice at one point, until the losses are equal.
        """
        self.repeat = repeat
        self._tensors: Sequence[torch.Tensor] = tensors
        self._watches = bool(tensors)  # until the first call that stores no gradient
        steps = [torch.finfo(t.dtype).eps for t in computes if t.is_floating_point()]
        devices = {t.device.type for t in computes}
        # sums of atomic adds on a GPU are in another order each time
        power = 0.75 if devices <= {"cpu"} else 0.5
        self._coarse = self._near = max(steps, default=0.0) ** power
        if devices <= {"cpu"}:  # a loss of more bits shows what 16-bit weights give to the last bit
            self._near = min(self._near, torch.finfo(torch.float32).eps ** power)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Inside is a call of the closure. Raises BadInput if it stores gradients."""
        if not self._watches:
            yield
            return
        before = [_gradient(t) for t in self._tensors]
        yield
        if before != [_gradient(t) for t in self._tensors]:
            raise BadInput(GRADIENTS)
        self._watches = False

    @contextmanager
    def unwritten(self) -> Iterator[None]:
        """Inside is a call at a probe. Raises BadInput if it writes to weights, which are there."""
        before = [_sum(t) for t in self._tensors]
        yield
        if before != [_sum(t) for t in self._tensors]:
            raise BadInput(WRITES)

    def note(self, loss: Any) -> None:
        """Take a loss as the closure returned it: one of 16 bits is compared more coarsely."""
        if self.repeat and isinstance(loss, torch.Tensor) and loss.element_size() < 4:
            self._near = self._coarse

    def compare(self, one: float, two: float) -> None:
        """Compare two losses at one point. Raises BadInput if they differ by more than rounding."""
        if abs(one - two) > self._near * max(abs(one), abs(two)):  # not so where one is NaN
            raise BadInput(
                f"the closure gave two losses at one point, {one:.6g} and {two:.6g}: it must use "
                "the same data whenever a step calls it, and draw random numbers from torch only; "
                "check=False leaves this test out"
            )
        self.repeat = not (math.isfinite(one) and math.isfinite(two))


def _sum(tensor: torch.Tensor) -> float:
    """Return the sum of the elements, read as whole numbers: a write changes it."""
    whole = {2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    return tensor.detach().view(whole).sum().item()


def _gradient(tensor: torch.Tensor) -> tuple[int, Any] | None:
    """Return which gradient a tensor holds, and how often it was written."""
    gradient = tensor.grad
    return None if gradient is None else (id(gradient), gradient._version)
