"""Losses of the user's closure at probes, all on the same random draws."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch

from zobench.core.directions import Direction, Probe
from zobench.core.problem import nothing_shared
from zobench.errors import BadInput
from zobench.optim.walk import Walk

Sharing = Callable[[Sequence[Direction]], AbstractContextManager[Callable[[], float]]]
LESS = (
    "A step needs the memory of the closure's forward pass: give step a list of micro_batches, or "
    "return a loss of fewer examples; realisation = scratch holds a copy of one layer more, and "
    "estimators of other libraries hold many points"
)
_COARSE = (torch.float16, torch.bfloat16)


class NotFinite(FloatingPointError):  # noqa: N818 - a fact about a loss
    """A loss was not a finite number; the point is where it was."""


class Evaluate:
    """What an estimator calls in one step: probes to losses. `losses` keeps all of them.

    Each evaluation calls the closure once, or once a micro-batch, and takes the weighted mean.
    """

    def __init__(
        self,
        walk: Walk,
        closure: Callable[..., Any],
        micro_batches: Sequence[Any] | None,
        weights: Sequence[float] | None,
        devices: Sequence[torch.device],
        made: Callable[[Sequence[Probe]], None],
    ) -> None:
        """`made` is told of the probes of each call, also of a call that raised."""
        self.walk, self.made, self.draws = walk, made, SameDraws(devices)
        if micro_batches is None:
            if weights is not None:
                raise BadInput("weights are those of micro_batches, and there are none")
            self.parts: list[tuple[float, Callable[[], Any]]] = [(1.0, closure)]
        else:
            shares = _shares(len(micro_batches), weights)
            calls = [lambda batch=batch: closure(batch) for batch in micro_batches]
            self.parts = list(zip(shares, calls))
        self.losses: list[float] = []
        self.sharing: Sharing = nothing_shared  # around the probes of a call
        self.ran: Callable[[int], None] = _ignored  # told of the closure's calls of a probe so far

    def rest(self) -> float:
        """The loss at the point itself, which is no query."""
        return sum(w * float(v) for (w, _), v in zip(self.parts, self._values()))

    def first(self) -> Any:
        """What the closure gives when it is called once."""
        self.draws.rewind()
        return self.parts[0][1]()

    def _values(self) -> list[Any]:
        self.draws.rewind()
        values = []
        for _, call in self.parts:
            values.append(_checked(call()))
            self.ran(len(values))
        return values

    def __call__(self, probes: Sequence[Probe]) -> list[float]:
        found: list[list[Any]] = []
        done = 0
        try:
            with self.sharing([direction for _, direction in probes]) as next_probe:
                for scale, direction in probes:
                    done += 1
                    with self.walk.probed(scale, direction):
                        next_probe()
                        found.append(self._values())
        finally:
            self.made(probes[:done])
        # Numbers are asked for at the end: until here, nothing has waited for the device.
        losses = [sum(w * float(v) for (w, _), v in zip(self.parts, values)) for values in found]
        self.losses += losses
        for k, loss in enumerate(losses):
            if not math.isfinite(loss):
                raise NotFinite(
                    f"the loss was {loss} at probe {k + 1} of {len(losses)} (scale "
                    f"{probes[k][0]:g}); the weights are as before the step. Lower lr or eps, or "
                    "give on_nonfinite='skip'"
                )
        return losses


class SameDraws:
    """Torch's generators, of the CPU and of some devices, put back before each evaluation."""

    def __init__(self, devices: Sequence[torch.device]) -> None:
        self.devices = [d for d in devices if d.type not in ("cpu", "meta")]
        self._states: list[torch.Tensor] | None = None

    def rewind(self) -> None:
        """The first call remembers the state, later calls go back to it."""
        if self._states is None:
            self._states = self.states()
        else:
            self.put(self._states)

    def states(self) -> list[torch.Tensor]:
        """Of all generators, now."""
        return [torch.get_rng_state(), *(_module(d)[0]() for d in self.devices)]

    def put(self, states: Sequence[torch.Tensor]) -> None:
        """Go back to `states`."""
        torch.set_rng_state(states[0])
        for device, state in zip(self.devices, states[1:]):
            _module(device)[1](state)


def _module(device: torch.device) -> tuple[Callable[[], torch.Tensor], Callable[..., None]]:
    """How to read and write the state of a device's generator."""
    module = torch.get_device_module(device)
    if device.index is None or device.type == "mps":
        return module.get_rng_state, module.set_rng_state
    return (
        lambda: module.get_rng_state(device),
        lambda state: module.set_rng_state(state, device),
    )


@contextmanager
def explained() -> Iterator[None]:
    """No gradients inside; a closure that asks for one is told so in one line, or what to do where
    memory ends."""
    try:
        with torch.no_grad():
            yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise type(error)(f"{str(error).partition('. ')[0]}. {LESS}") from error
    except RuntimeError as error:
        if "does not require grad" not in str(error):
            raise
        raise BadInput(
            "the closure calls backward(), but a zeroth-order step needs no gradient and keeps "
            "none: return the loss without it"
        ) from error


def _checked(loss: Any) -> Any:
    """A loss that float() takes. Raises BadInput."""
    if isinstance(loss, torch.Tensor):
        if loss.dim() != 0:
            raise BadInput(
                f"the closure returned a tensor of shape {tuple(loss.shape)}; it must return one "
                "number, such as its mean()"
            )
        if loss.is_complex():
            raise BadInput("the closure returned a complex number; a loss is real")
        if loss.dtype in _COARSE:
            warnings.warn(
                f"the closure's loss is {str(loss.dtype).removeprefix('torch.')}: the difference "
                "of two probes' losses is lost in its rounding; compute the loss in float32",
                stacklevel=2,
            )
        return loss.detach()
    if isinstance(loss, numbers.Real) or (isinstance(loss, np.ndarray) and loss.ndim == 0):
        return loss
    if loss is None:
        raise BadInput("the closure returned None; it must return the loss")
    what = f"the closure returned a {type(loss).__name__}; it must return the loss"
    hint = ", such as its .loss" if getattr(loss, "loss", None) is not None else ", one number"
    raise BadInput(what + hint)


def _shares(count: int, weights: Sequence[float] | None) -> list[float]:
    """What each micro-batch's loss counts for: numbers that sum to 1."""
    if not count:
        raise BadInput("micro_batches is empty")
    if weights is None:
        return [1 / count] * count
    shares = [float(w) for w in weights]
    if len(shares) != count:
        raise BadInput(f"there are {count} micro_batches and {len(shares)} weights")
    if not all(0 <= w < math.inf for w in shares) or sum(shares) == 0:
        raise BadInput(f"weights are numbers of 0 or above, and not all 0, not {shares}")
    return [w / sum(shares) for w in shares]


def _ignored(_: int) -> None:
    pass
