"""Evaluate the user's closure at probes, all on the same random draws."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, SupportsFloat

import numpy as np
import torch

from zobench.core.directions import Direction, Probe
from zobench.core.in_place import evaluate_in_place
from zobench.engine.buffers import Buffers
from zobench.engine.caches import forget
from zobench.engine.draws import SameDraws
from zobench.engine.prefix import SharedLayers
from zobench.errors import BadInput
from zobench.optim.delayed import DelayedParams
from zobench.optim.doubts import GRADIENTS, Doubts

LayerSharing = Callable[[Sequence[Direction]], AbstractContextManager[SharedLayers]]
# the context of a call's probes on the minibatch of that number
LayerKeeping = Callable[[Sequence[Direction], int | None], AbstractContextManager[None]]
LESS = (
    "A step needs the memory of the closure's forward pass: give step a list of micro_batches, or "
    "return a loss of fewer examples; realisation = scratch holds a copy of one layer more, and "
    "estimators of other libraries hold many points"
)


class NotFinite(FloatingPointError):  # noqa: N818 - a fact about a loss
    """A loss was not a finite number. The point is where it was."""


class ClosureEvaluator:
    """The `evaluate` of one step: takes probes and returns losses. `losses` lists all of them.

    Each evaluation calls the closure once, or once per micro-batch, and takes the weighted mean.
    All begin with the same random draws and the same buffers.
    """

    def __init__(
        self,
        params: DelayedParams,
        closure: Callable[..., SupportsFloat] | None,
        micro_batches: Sequence[Any] | None,
        weights: Sequence[float] | None,
        devices: Sequence[torch.device],
        buffers: Buffers,
        doubts: Doubts,
        on_probes: Callable[[Sequence[Probe]], None],
    ) -> None:
        """Take the parts of a step; see `ZerothOrder.step`.

        `on_probes` is called with the probes that each call has begun, also one that raised.
        """
        if not callable(closure):
            raise BadInput(
                "step takes a closure that returns the loss: opt.step(closure); instead of "
                "transformers.Trainer take zobench.optim.trainer.ZerothOrderTrainer"
            )
        self.params, self.on_probes, self.draws = params, on_probes, SameDraws(devices)
        self.buffers, self.doubts = buffers, doubts
        if micro_batches is None:
            if weights is not None:
                raise BadInput("weights are those of micro_batches, and there are none")
            self.parts: list[tuple[float, Callable[[], Any]]] = [(1.0, closure)]
        else:
            shares = _shares(len(micro_batches), weights)
            calls = [partial(closure, batch) for batch in micro_batches]
            self.parts = list(zip(shares, calls))
        self.losses: list[float] = []
        self.sharing: LayerSharing = _no_layers  # the context of a call's probes
        self.keeping: LayerKeeping = _nothing_kept
        self.on_pass: Callable[[SharedLayers, int], None] = _ignored  # after each closure call

    def rest(self) -> float:
        """Return the loss at the point itself, which is not a query."""
        return self.rest_of(SharedLayers())

    def rest_of(self, shared: SharedLayers) -> float:
        """Return the loss at the point, with layers shared with other evaluations."""
        return self._mean(self._values(shared))

    def first(self) -> Any:
        """Call the closure once, and return its value."""
        self._rewind()
        return self.parts[0][1]()

    def _rewind(self) -> None:
        self.draws.rewind()
        self.buffers.rewind()
        forget()

    def _values(self, shared: SharedLayers) -> list[Any]:
        self._rewind()
        values = []
        for _, call in self.parts:
            with self.doubts.watched():
                loss = call()
                values.append(_checked(loss))
            self.doubts.note(loss)
            self.on_pass(shared, len(values))
        self.buffers.keep()
        return values

    def _mean(self, values: Sequence[Any]) -> float:
        return sum(w * float(v) for (w, _), v in zip(self.parts, values))

    def __call__(self, probes: Sequence[Probe], batch: int | None = None) -> list[float]:
        """Return the loss at each probe. Raises NotFinite if one of them is not finite.

        `batch`: the number of the minibatch that the closure is to use, if it is asked for again.
        """
        again: list[Any] = []
        shared = SharedLayers()
        directions = [direction for _, direction in probes]
        sharing = _no_layers if self.doubts.repeat else self.sharing
        keeping = _nothing_kept if self.doubts.repeat else self.keeping

        def evaluated(_: int, __: float) -> list[Any]:
            if not self.doubts.repeat or again:
                return self._values(shared)
            moves = self.params.realisation.moves_weights
            with self.doubts.unwritten() if moves else nullcontext():
                values = self._values(shared)
            again.extend(self._values(shared))
            return values

        try:
            with keeping(directions, batch), sharing(directions) as shared:
                results = evaluate_in_place(self.params, probes, evaluated, shared)
        finally:
            self.on_probes(probes[: shared.probe])
        # Numbers are read at the end: until here, the host has not waited for the device.
        losses = [self._mean(values) for values in results]
        if again:
            self.doubts.compare(losses[0], self._mean(again))
        self.losses += losses
        for k, loss in enumerate(losses):
            if not math.isfinite(loss):
                raise NotFinite(
                    f"the loss was {loss} at probe {k + 1} of {len(losses)} (scale "
                    f"{probes[k][0]:g}); the weights are as before the step. Lower lr or eps, or "
                    "give on_nonfinite='skip'"
                )
        return losses


@contextmanager
def explained() -> Iterator[None]:
    """Inside, there are no gradients, and errors of the closure are explained in one line.

    These are a request for gradients, and the end of memory. Tensors that are stored inside can be
    used outside of inference mode.
    """
    try:
        with torch.inference_mode(False), torch.no_grad():
            yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise type(error)(f"{str(error).partition('. ')[0]}. {LESS}") from error
    except RuntimeError as error:
        if "does not require grad" not in str(error):
            raise
        raise BadInput(GRADIENTS) from error


def _checked(loss: Any) -> Any:
    """Return a closure's loss as a number or a 0-d tensor. Raises BadInput for anything else."""
    if torch.is_grad_enabled():
        raise BadInput(GRADIENTS)
    if isinstance(loss, torch.Tensor):
        if loss.dim() != 0:
            raise BadInput(
                f"the closure returned a tensor of shape {tuple(loss.shape)}; it must return one "
                "number, such as its mean()"
            )
        if loss.is_complex():
            raise BadInput("the closure returned a complex number; a loss is real")
        if loss.is_meta:
            raise BadInput("the closure's loss is on the device meta, where there are no values")
        if loss.is_floating_point() and loss.element_size() < 4:
            warnings.warn(
                f"the closure's loss is {str(loss.dtype).removeprefix('torch.')}: the difference "
                "of two probes' losses is lost in its rounding; compute the loss in float32",
                stacklevel=2,
            )
        if loss.grad_fn is not None:
            raise BadInput(GRADIENTS)
        # A number, or a copy that does not wait for the device: the next call may write into it.
        return loss.item() if loss.is_cpu else loss.detach().clone()
    if np.ma.is_masked(loss):
        raise BadInput("the closure returned a masked number, which has no value")
    zero_axes = isinstance(loss, np.ndarray) and loss.ndim == 0 and loss.dtype.kind in "biuf"
    if isinstance(loss, numbers.Real) or zero_axes:
        try:
            return float(loss)
        except OverflowError:
            raise BadInput("the closure returned a number that is too large for float64") from None
    if loss is None:
        raise BadInput("the closure returned None; it must return the loss")
    what = f"the closure returned a {type(loss).__name__}; it must return the loss"
    hint = ", such as its .loss" if getattr(loss, "loss", None) is not None else ", one number"
    raise BadInput(what + hint)


def _shares(count: int, weights: Sequence[float] | None) -> list[float]:
    """Return the weight of each micro-batch's loss. They sum to 1."""
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


def _no_layers(_: Sequence[Direction]) -> AbstractContextManager[SharedLayers]:
    return nullcontext(SharedLayers())


def _nothing_kept(_: Sequence[Direction], __: int | None) -> AbstractContextManager[None]:
    return nullcontext()


def _ignored(_: SharedLayers, __: int) -> None:
    pass
